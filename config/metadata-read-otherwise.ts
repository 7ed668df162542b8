import { isScalar, type Document } from 'yaml'
import { fault, type Unplaced } from './explain.js'
import { valueAt } from './value-at.js'

/**
 * Metadata are texts in Cinder, but YAML reads `True` as true and `007` as 7: asked for as "true" or "7" they would fit
 * no volume, and nobody would know.
 */
export function metadataReadOtherwise(document: Document, data: unknown): Unplaced[] {
  const names = Object.keys((valueAt(data, ['policies']) as object | null | undefined) ?? {})
  const maps = names.flatMap((name) => [
    ['policies', name, 'where', 'metadata'],
    ['policies', name, 'where', 'exclude', 'metadata'],
  ])
  return maps.flatMap((map) =>
    Object.entries((valueAt(data, map) as object | null | undefined) ?? {}).flatMap(
      ([key, value]: [string, unknown]) => {
        const node = document.getIn([...map, key], true)
        if (typeof value === 'string' || !isScalar(node) || node.source === undefined) return []
        const read = String(value)
        return node.source === read
          ? []
          : [fault([...map, key], `${node.source} is read as ${read}; metadata are texts: put it in quotes`)]
      },
    ),
  )
}
