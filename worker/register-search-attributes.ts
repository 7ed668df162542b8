import type { Connection } from '@temporalio/client'
import { SearchAttributeType } from '@temporalio/common'
import proto from '@temporalio/proto'
import { CodedError } from '../errors/coded-error.js'
import { searchAttributes } from '../workflows/search-attributes.js'

// a CommonJS package whose names Node cannot see
const { IndexedValueType } = proto.temporal.api.enums.v1
const indexed: Record<string, number> = {
  [SearchAttributeType.KEYWORD]: IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD,
  [SearchAttributeType.KEYWORD_LIST]: IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD_LIST,
  [SearchAttributeType.DATETIME]: IndexedValueType.INDEXED_VALUE_TYPE_DATETIME,
  [SearchAttributeType.INT]: IndexedValueType.INDEXED_VALUE_TYPE_INT,
}

/**
 * Registers the columns that the namespace lacks; those that it has are left alone.
 * @throws CodedError `CK-TEMPORAL-ATTRIBUTES` when one exists with another type, or there is no room or right for it
 */
export async function registerSearchAttributes(connection: Connection, namespace: string): Promise<void> {
  const { customAttributes } = await connection.operatorService.listSearchAttributes({ namespace })
  const missing: Record<string, number> = {}
  for (const { name, type } of Object.values(searchAttributes)) {
    const wanted = indexed[type]
    if (wanted === undefined) throw new TypeError(`no index type for ${type}`)
    const found: number | undefined = customAttributes[name]
    if (found === undefined) missing[name] = wanted
    else if (found !== wanted) {
      throw new CodedError(
        'CK-TEMPORAL-ATTRIBUTES',
        `search attribute "${name}" of namespace ${namespace} is no ${type}`,
        {
          cure: 'Another user of the namespace has taken the name: give Cinderkeep a namespace of its own.',
        },
      )
    }
  }
  if (Object.keys(missing).length === 0) return
  try {
    await connection.operatorService.addSearchAttributes({ namespace, searchAttributes: missing })
  } catch (cause) {
    throw new CodedError(
      'CK-TEMPORAL-ATTRIBUTES',
      `search attributes ${Object.keys(missing).join(', ')} cannot be registered in namespace ${namespace}`,
      {
        cure: 'Register them with `temporal operator search-attribute create` (docs/temporal.md), or use a namespace of our own: SQL stores have room for ten Keyword attributes in one.',
        cause,
      },
    )
  }
}
