import { fits } from './patterns.js'
import type { Condition, VolumeFacts, Where } from './policy.js'

/** Whether a `where` holds for a volume, and what decided it: half a sentence for people. */
export interface Match {
  /** null: it hangs on the name of the volume's project, which is not known. */
  matches: boolean | null
  because: string
}

/** All given parts must hold, and not all parts of `exclude`. */
export function match(volume: VolumeFacts, where: Where): Match {
  const { exclude, ...condition } = where
  const own = all(parts(volume, condition))
  if (own.matches === false) return own
  const excluded = exclude === undefined ? [] : parts(volume, exclude)
  if (excluded.length > 0) {
    const { matches, because } = all(excluded)
    if (matches === true) return { matches: false, because: `it is excluded: ${because}` }
    if (matches === null) return { matches: null, because: `it may be excluded: ${because}` }
  }
  return own.because === '' ? { ...own, because: 'it protects every volume' } : own
}

/** What makes it fail, else what leaves it open, else all that held. */
function all(found: Match[]): Match {
  const decisive = found.find(({ matches }) => matches === false) ?? found.find(({ matches }) => matches === null)
  return decisive ?? { matches: true, because: found.map(({ because }) => because).join(', ') }
}

/** One entry for each part that the condition gives. */
function parts(volume: VolumeFacts, condition: Condition): Match[] {
  const found: Match[] = []
  if (condition.project !== undefined) found.push(matchProject(volume, condition.project))
  if (condition.type !== undefined) found.push(matchAny('its type', volume.type, condition.type))
  if (condition.name !== undefined) found.push(matchAny('its name', volume.name, condition.name))
  for (const [key, pattern] of Object.entries(condition.metadata ?? {})) {
    // own keys only: a tenant's metadata may be asked for "constructor"
    const value = Object.hasOwn(volume.metadata, key) ? (volume.metadata[key] ?? null) : null
    found.push(matchAny(`its metadata ${key}`, value, [pattern]))
  }
  if (condition.server !== undefined) found.push(matchServer(volume, condition.server))
  if (condition.size !== undefined) found.push(matchSize(volume.sizeGib, condition.size))
  return found
}

function matchProject(volume: VolumeFacts, wanted: string[]): Match {
  const named = volume.projectName ?? volume.projectId
  if (wanted.includes(volume.projectId) || (volume.projectName !== null && wanted.includes(volume.projectName))) {
    return { matches: true, because: `its project is ${named}` }
  }
  if (volume.projectName === null && !wanted.every(isId)) {
    return {
      matches: null,
      because: `its project is ${named} (whose name is not known), not ${oneOf(wanted)} by its id`,
    }
  }
  return { matches: false, because: `its project is ${named}, not ${oneOf(wanted)}` }
}

/** As Keystone makes them: 32 hexadecimal digits, or 64. */
function isId(word: string): boolean {
  return /^[0-9a-f]{32}([0-9a-f]{32})?$/.test(word)
}

function matchAny(what: string, value: string | null, patterns: string[]): Match {
  if (value === null) return { matches: false, because: `${what} is not set, and ${oneOf(patterns)} is asked for` }
  const fitting = patterns.find((pattern) => fits(value, pattern))
  if (fitting === undefined) return { matches: false, because: `${what} is "${value}", not ${oneOf(patterns)}` }
  const by = fitting === value ? '' : ` (${fitting})`
  return { matches: true, because: `${what} is "${value}"${by}` }
}

/** By its id, or by a pattern for its name where Nova told it. */
function matchServer({ servers }: VolumeFacts, wanted: string[]): Match {
  if (servers.length === 0)
    return { matches: false, because: `no server has it attached, and ${oneOf(wanted)} is asked for` }
  for (const { id, name } of servers) {
    const fitting = wanted.find((pattern) => pattern === id || (name !== null && fits(name, pattern)))
    if (fitting === undefined) continue
    const by = fitting === (name ?? id) ? '' : ` (${fitting})`
    return { matches: true, because: `server "${name ?? id}"${by} has it attached` }
  }
  const which = servers.map(({ id, name }) => (name === null ? `${id} (whose name is not known)` : `"${name}"`))
  return { matches: false, because: `it is attached to ${which.join(', ')}, not to ${oneOf(wanted)}` }
}

function matchSize(sizeGib: number, size: NonNullable<Condition['size']>): Match {
  if (size.atLeastGib !== undefined && sizeGib < size.atLeastGib) {
    return { matches: false, because: `its size is ${sizeGib} GiB, less than ${size.atLeastGib} GiB` }
  }
  if (size.atMostGib !== undefined && sizeGib > size.atMostGib) {
    return { matches: false, because: `its size is ${sizeGib} GiB, more than ${size.atMostGib} GiB` }
  }
  return { matches: true, because: `its size is ${sizeGib} GiB` }
}

function oneOf(words: string[]): string {
  return words.map((word) => `"${word}"`).join(' or ')
}
