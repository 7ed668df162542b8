import { fits } from './patterns.js'
import type { Condition, VolumeFacts, Where } from './policy.js'

/** Whether a `where` holds for a volume, and what decided it: half a sentence for people. */
export interface Match {
  matches: boolean
  because: string
}

/** All given parts must hold, and not all parts of `exclude`. */
export function match(volume: VolumeFacts, where: Where): Match {
  const { exclude, ...condition } = where
  const held: string[] = []
  for (const part of parts(volume, condition)) {
    if (!part.matches) return part
    held.push(part.because)
  }
  if (exclude !== undefined) {
    const excluded = parts(volume, exclude)
    if (excluded.length > 0 && excluded.every((part) => part.matches)) {
      return { matches: false, because: `it is excluded: ${excluded.map((part) => part.because).join(', ')}` }
    }
  }
  return { matches: true, because: held.length === 0 ? 'it protects every volume' : held.join(', ') }
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
  const unknown = volume.projectName === null ? ' (whose name is not known)' : ''
  return { matches: false, because: `its project is ${named}${unknown}, not ${oneOf(wanted)}` }
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
