import type { Extent } from '../../source/source.js'
import { startImportDiff, type ImportDiff } from './import-diff.js'
import type { Stretch } from './leaves.js'
import type { WriteJob } from './write-job.js'

/**
 * A long copy as several runs of `rbd import-diff`, of which only the last makes the RBD snapshot: what one of them has
 * written is safe once it has ended well.
 */
export interface Segments {
  data(stretch: Stretch): Promise<void>
  zero(extent: Extent): Promise<void>
  /** Whether the running one is long enough to be ended. */
  isFull(): boolean
  /** Ends the running one; what comes next begins another. */
  cut(): Promise<void>
  /** Ends the last one, and with it makes the RBD snapshot. */
  finish(): Promise<void>
  /** Ends the running one without its end; never throws. */
  kill(): Promise<void>
}

/** @param checks.confirm is asked just before the RBD snapshot is made: the capture must still exist */
export function segments(job: WriteJob, checks: { confirm: () => Promise<void> }): Segments {
  const { asking, context, image, setting, sizeBytes, snapshotName } = job
  const { segmentBytes, segmentMs, stallMs } = setting.pace
  let begun = false
  let running: { diff: ImportDiff; isLast: boolean; since: number; bytes: number } | null = null

  /** The end snapshot's name stands at a stream's beginning: so the last one is known by how little is left. */
  async function segment(offset: number): Promise<NonNullable<typeof running>> {
    if (running !== null) return running
    // the first one follows at once upon the attempt's own record
    if (begun) await job.mustStillWrite()
    begun = true
    const isLast = sizeBytes - offset <= segmentBytes
    const head = { from: null, to: isLast ? snapshotName : null, size: sizeBytes }
    const diff = await startImportDiff(asking.access, image, head, { signal: context.signal, stallMs })
    running = { diff, isLast, since: performance.now(), bytes: 0 }
    return running
  }

  async function cut(): Promise<void> {
    const ended = running
    if (ended === null) return
    await ended.diff.finish()
    running = null
  }

  return {
    data: async (stretch) => {
      const current = await segment(stretch.offset)
      await current.diff.data(stretch)
      current.bytes += stretch.parts.reduce((sum, part) => sum + part.length, 0)
    },
    zero: async (extent) => (await segment(extent.offset)).diff.zero(extent),
    isFull: () =>
      running !== null &&
      !running.isLast &&
      (running.bytes >= segmentBytes || performance.now() - running.since >= segmentMs),
    cut,
    finish: async () => {
      if (running?.isLast === false) await cut()
      await segment(sizeBytes)
      await checks.confirm()
      await job.mustStillWrite()
      await cut()
    },
    kill: async () => {
      await running?.diff.kill()
    },
  }
}
