import { SearchAttributeType } from '@temporalio/common'
import proto from '@temporalio/proto'
import { searchAttributes } from '../../workflows/search-attributes.js'
import { CannotLook, fault, ok, warning, type Check, type Finding } from './check.js'

// a CommonJS package whose names Node cannot see
const { IndexedValueType } = proto.temporal.api.enums.v1
const indexed: Record<string, number> = {
  [SearchAttributeType.KEYWORD]: IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD,
  [SearchAttributeType.KEYWORD_LIST]: IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD_LIST,
  [SearchAttributeType.DATETIME]: IndexedValueType.INDEXED_VALUE_TYPE_DATETIME,
  [SearchAttributeType.INT]: IndexedValueType.INDEXED_VALUE_TYPE_INT,
}

/** The columns of the Temporal UI: without them no signal is accepted. */
export const attributesCheck: Check = {
  name: 'attributes',
  async run({ temporal, started }) {
    const { client, namespace } = await temporal.need()
    let registered: Record<string, number>
    try {
      registered = (await client.connection.operatorService.listSearchAttributes({ namespace })).customAttributes
    } catch (error) {
      throw new CannotLook(`Temporal does not tell which attributes are registered: ${(error as Error).message}`)
    }
    return judgeAttributes(registered, namespace, await started())
  },
}

/**
 * @param registered names and Temporal's numbers of their types
 * @param started `cinderkeep run` ran here before; it registers them
 */
export function judgeAttributes(registered: Record<string, number>, namespace: string, started: boolean): Finding[] {
  const wanted = Object.values(searchAttributes)
  const missing = wanted.filter(({ name }) => registered[name] === undefined)
  const other = wanted.filter(({ name, type }) => registered[name] !== undefined && registered[name] !== indexed[type])
  const findings = other.map(({ name, type }) =>
    fault(
      'CK-TEMPORAL-ATTRIBUTES',
      `search attribute "${name}" of namespace "${namespace}" is no ${type}`,
      'Another user of the namespace has taken the name: give Cinderkeep a namespace of its own (temporal.namespace).',
    ),
  )
  if (missing.length > 0) {
    const tell = started ? fault : warning
    const options = missing.map(({ name, type }) => `--name ${name} --type ${words(type)}`).join(' ')
    findings.push(
      tell(
        'CK-TEMPORAL-ATTRIBUTES',
        `namespace "${namespace}" lacks the search attributes ${missing.map(({ name }) => name).join(', ')}`,
        '`cinderkeep run` registers them when it starts. By hand: ' +
          `temporal operator search-attribute create --namespace ${namespace} ${options}`,
      ),
    )
  }
  return findings.length > 0 ? findings : [ok(`all ${wanted.length} search attributes are registered`)]
}

/** `KEYWORD_LIST` as Temporal's command line writes it. */
function words(type: string): string {
  return type.toLowerCase().replace(/(^|_)(\w)/g, (_all, _gap, letter: string) => letter.toUpperCase())
}
