import { lastNominal } from './due.js'
import { detachEvents } from './events.js'
import type { LastPoint, Policy, VolumeFacts } from './policy.js'

/**
 * What a notification or a schedule should have asked for, and of which there is no trace: one sentence, or null.
 * @param policy the one that protects the volume
 * @param last its newest point that is not damaged
 * @param now milliseconds since the epoch
 */
export function missed(policy: Policy, volume: VolumeFacts, last: LastPoint | null, now: number): string | null {
  const detach = volume.status === 'available' ? unarchivedDetach(policy, volume, last) : null
  return missedTime(policy, volume, last, now) ?? missedCreation(policy, last) ?? detach
}

function missedTime(
  { name, every, timezone }: Policy,
  { createdAt }: VolumeFacts,
  last: LastPoint | null,
  now: number,
) {
  const nominal = every === null ? null : lastNominal({ every, timezone }, now)
  if (nominal === null) return null
  const at = `${new Date(nominal).toISOString().slice(0, 19)}Z`
  if (last === null) {
    return Date.parse(createdAt) < nominal ? `It has no point, although it was due at ${at} (every of ${name}).` : null
  }
  return Date.parse(last.capturedAt) < nominal
    ? `Its last point is older than ${at}, when it was due (every of ${name}).`
    : null
}

function missedCreation({ name, on }: Policy, last: LastPoint | null) {
  return last === null && on.includes('volume.create.end')
    ? `It has no point, although policy ${name} archives new volumes.`
    : null
}

/** In these a volume that was detached stays for moments; then it is available again. */
const passing = ['detaching', 'backing-up', 'uploading', 'extending', 'retyping']

/** As `missed`, of the detachment of a volume that no server has attached; something else may be done with it meanwhile. */
export function unarchivedDetach(
  { name, on }: Policy,
  { status, updatedAt }: VolumeFacts,
  last: LastPoint | null,
): string | null {
  if (!on.some((event) => detachEvents.includes(event))) return null
  if (status !== 'available' && !passing.includes(status)) return null
  if (last === null) return `It is detached and has no point, although policy ${name} archives what was detached.`
  // only what changed since: a volume that something holds open is never captured `detached`, however often one tries
  if (updatedAt === null || Date.parse(updatedAt) <= Date.parse(last.capturedAt)) return null
  return `It is detached, and Cinder changed it (${updatedAt.slice(0, 19)}Z) after its last point was taken.`
}
