import { fault, type Unplaced } from './explain.js'
import { didYouMean } from './nearest.js'
import { valueAt } from './value-at.js'

/**
 * What no room can see alone: names in one part that another part must have. Looks at the file's own values, so that it
 * also tells what else is wrong in a file whose parts are faulty.
 */
export function crossCheck(data: unknown): Unplaced[] {
  return [...copiesWithoutTarget(data), ...sourcesNeverReached(data)]
}

function copiesWithoutTarget(data: unknown): Unplaced[] {
  const targets = entries(valueAt(data, ['targets']))
  const names = targets.map(([name]) => name)
  return entries(valueAt(data, ['policies'])).flatMap(([policy, options]) =>
    list(valueAt(options, ['copies'])).flatMap((copy, index) => {
      const target = valueAt(copy, ['target'])
      if (typeof target !== 'string') return []
      const at = ['policies', policy, 'copies', index]
      if (!names.includes(target)) {
        const which = names.length === 0 ? 'there are no targets' : `targets are ${names.join(', ')}`
        return [fault([...at, 'target'], `"${target}" is no target; ${which}${didYouMean(target, names)}`)]
      }
      const kind = valueAt(data, ['targets', target, 'kind'])
      const forced = valueAt(copy, ['force']) !== undefined
      return forced && kind !== 'cinder-backup'
        ? [
            fault(
              [...at, 'force'],
              `only targets of kind cinder-backup know it, and ${target} is of kind ${String(kind)}`,
            ),
          ]
        : []
    }),
  )
}

function sourcesNeverReached(data: unknown): Unplaced[] {
  const matches = list(valueAt(data, ['sources'])).map((source) => valueAt(source, ['match']))
  return matches.flatMap((match, index) => {
    const first = matches.indexOf(match)
    return typeof match === 'string' && first < index
      ? [
          fault(
            ['sources', index, 'match'],
            `"${match}" is served by sources[${first}] already; the first match serves`,
          ),
        ]
      : []
  })
}

function entries(value: unknown): [string, unknown][] {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? Object.entries(value) : []
}

function list(value: unknown): unknown[] {
  return Array.isArray(value) ? value : []
}
