import { activityInfo } from '@temporalio/activity'
import type { Volume } from '../openstack/cinder.js'
import type { CopyContext, Progress } from '../targets/target.js'
import type { Deps } from './control-activities.js'
import { withHeartbeat } from './copy-context.js'
import { eachOf } from './each-of.js'

/** How many volumes are looked at before the place is noted. */
const batchSize = 100
/** Any of these may have been deleted when the walk is taken up again; all of them hardly. */
const marksKept = 10

/** What a heartbeat holds: the next attempt goes on from there. */
interface Place<S> extends Progress {
  /** The last volumes that were looked at, the last one last. */
  after: string[]
  /** What was found out on the way; small. */
  state: S
}

/**
 * Looks at every volume of the cloud, page by page and some at once, in an activity's heartbeat: an attempt that follows
 * a killed one goes on where that one last noted its place, so a few volumes may be looked at twice.
 * @param what for people, as in `looking for …`
 * @param begin what nobody has found out anything yet
 * @param visit notes what it finds in the state
 * @param finish is called once all volumes were looked at, perhaps by this attempt only the last ones
 */
export async function walkVolumes<S>(
  { cinder }: Pick<Deps, 'cinder'>,
  what: string,
  begin: S,
  visit: (volume: Volume, state: S) => Promise<void>,
  finish: (state: S) => Promise<void> = async () => undefined,
): Promise<S> {
  const earlier = placeOf<S>(activityInfo().heartbeatDetails)
  const state = earlier?.state ?? begin
  let after = earlier?.after ?? []
  const act = async ({ signal, report }: CopyContext): Promise<S> => {
    let looked = 0
    // a copy: what a half-done batch adds is found again by the attempt that repeats it
    const note = (): void => {
      report({ phase: `${what}: ${looked} volumes looked at`, after, state: structuredClone(state) } as Place<S>)
    }
    // at once: the heartbeat must never forget what the earlier attempt noted
    note()
    const look = async (batch: Volume[]): Promise<void> => {
      signal.throwIfAborted()
      await eachOf(batch, async (volume) => visit(volume, state))
      looked += batch.length
      after = [...after, ...batch.map(({ id }) => id)].slice(-marksKept)
      note()
    }
    let batch: Volume[] = []
    for await (const volume of cinder.listVolumes({ allProjects: true, after })) {
      batch.push(volume)
      if (batch.length < batchSize) continue
      await look(batch)
      batch = []
    }
    await look(batch)
    await finish(state)
    return state
  }
  return withHeartbeat(act, { quietMs: 0 })
}

function placeOf<S>(details: unknown): Place<S> | null {
  const given = details as Partial<Place<S>> | undefined
  return given?.after === undefined || given.state === undefined ? null : (given as Place<S>)
}
