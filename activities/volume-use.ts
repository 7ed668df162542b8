import { CodedError } from '../errors/coded-error.js'
import type { Volume } from '../openstack/cinder.js'
import type { Capture, Consistency } from '../targets/target.js'
import type { MoveDeps } from './move-activities.js'

/** Who uses a volume: no attachment, and no other client where a source can tell. */
export interface Use {
  attached: boolean
  /** All servers that have it attached are shut off. */
  stopped: boolean
  watchers: Capture['watchers']
}

interface Wanted {
  volumeId: string
  consistency: { prefer: Consistency[]; require: Consistency }
  /** Why its servers were not frozen, where that was tried. */
  notFrozen?: string[] | undefined
}

const weakest: Consistency[] = ['crash', 'frozen', 'detached']

export async function useOf(
  { sources, serverStatus, log }: Pick<MoveDeps, 'sources' | 'serverStatus' | 'log'>,
  volume: Volume,
): Promise<Use> {
  const { id: volumeId, host, nameId } = volume
  const attached = volume.attachments.length > 0
  const stopped = attached && (await areStopped(serverStatus, volume))
  const source = sources.find(host)
  if (source === undefined) return { attached, stopped, watchers: 'unknown' }
  try {
    const watchers = await source.watchers({ volumeId, host, nameId })
    return { attached, stopped, watchers: watchers.length === 0 ? 'none' : watchers }
  } catch (err) {
    // this process may not reach the storage that the movers reach; the point says so
    log.warn({ volume: volumeId, err }, 'cannot tell who has the image open')
    return { attached, stopped, watchers: 'unknown' }
  }
}

/** One that only Cinder knows of (its server is not Nova's, or may not be seen) counts as running. */
async function areStopped(statusOf: MoveDeps['serverStatus'], { attachments }: Volume): Promise<boolean> {
  const statuses = await Promise.all(
    attachments.map(async ({ serverId }) => (serverId === null ? null : statusOf(serverId))),
  )
  return statuses.every((status) => status === 'SHUTOFF')
}

/** Who had the image open before or after; not known when one of the two looks could not tell. */
export function watchersOf(before: Use, after: Use): Capture['watchers'] {
  const seen = [before.watchers, after.watchers].flatMap((one) => (Array.isArray(one) ? one : []))
  if (seen.length > 0) return [...new Set(seen)]
  return before.watchers === 'none' && after.watchers === 'none' ? 'none' : 'unknown'
}

/** Nobody can write to it: no attachment, or all its servers are shut off, and no other client has it open. */
export function isDetached({ attached, stopped, watchers }: Use): boolean {
  return (!attached || stopped) && (watchers === 'none' || watchers === 'unknown')
}

/** The first preference that was achieved; null when it lies below the floor or is not wanted at all. */
export function achieved(wasDetached: boolean, { consistency }: Wanted, wasFrozen = false): Consistency | null {
  const is: Consistency = wasDetached ? 'detached' : wasFrozen ? 'frozen' : 'crash'
  // what is detached is as good as any other: nobody writes
  const fits = wasDetached ? consistency.prefer.length > 0 : consistency.prefer.includes(is)
  return fits && weakest.indexOf(is) >= weakest.indexOf(consistency.require) ? is : null
}

export function belowFloor({ volumeId, consistency, notFrozen }: Wanted, { attached, watchers }: Use): CodedError {
  const { prefer, require } = consistency
  const open = Array.isArray(watchers) ? `its image is open by ${watchers.join(', ')}` : 'it was attached just before'
  const use = attached ? 'it is attached' : open
  return new CodedError(
    'CK-CONSISTENCY-FLOOR',
    `volume ${volumeId} can only be captured as "crash" (${use}); the policy prefers ${prefer.join(', ')} and requires ${require}`,
    {
      cure: [...(notFrozen ?? []), 'Detach it, archive on volume.detach.end, or allow "crash" in the policy.'].join(
        '\n  ',
      ),
    },
  )
}
