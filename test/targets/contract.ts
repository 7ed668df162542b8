/** What holds for every kind of target: the same sentences run over each, on each cloud that a test can have. */
import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Capture, Copy, CopyContext, Destination, Target } from '../../targets/target.js'

/** A target on some cloud, and hands to do what Cinderkeep itself does not. */
export interface TargetBench {
  /** As another process would have it: nothing remembered. */
  open(): Target
  /** A volume with content, and a capture of it for an archive of its own. */
  capture(): Promise<Capture>
  /** Writes to the captured volume and captures it again, for another archive. */
  captureAgain(capture: Capture): Promise<Capture>
  /** Releases the capture: its snapshot is gone afterwards. */
  release(capture: Capture): Promise<void>
  /** Destroys the copy's data, and nothing that the target's service would tell about. */
  destroy(copy: Copy): Promise<void>
  /** Root hash of the capture, read directly. */
  hashOfCapture(capture: Capture): Promise<string>
  /** An empty volume that can hold the capture. */
  emptyVolume(capture: Capture): Promise<string>
  hashOfVolume(volumeId: string): Promise<string>
  /** How a copy gets into that volume; without it by naming the volume. */
  destinationOf?(volumeId: string): Destination
  /** Names of everything that lies about for this archive beside finished copies. */
  leftovers(capture: Capture): Promise<string[]>
  end(): Promise<void>
}

/** A context whose signal can be aborted at the n-th report, as if the process were killed there. */
export function contextFor(abortAt = Infinity): { context: CopyContext; reports: string[]; abort: AbortController } {
  const abort = new AbortController()
  const reports: string[] = []
  return {
    abort,
    reports,
    context: {
      signal: abort.signal,
      report: ({ phase }) => {
        reports.push(phase)
        if (reports.length >= abortAt) abort.abort(new Error(`killed at report ${abortAt}: ${phase}`))
      },
    },
  }
}

/** @param killAt the reports at which acts are killed; more of them on a quick cloud */
export function describeTarget(title: string, makeBench: () => Promise<TargetBench>, killAt: number[]): void {
  describe(title, () => {
    let bench: TargetBench
    let capture: Capture
    let copy: Copy

    beforeAll(async () => {
      bench = await makeBench()
      capture = await bench.capture()
      copy = await bench.open().writeCopy(capture, null, contextFor().context)
    })
    afterAll(async () => {
      await bench.end()
    })

    it('writes a copy that says what it is a copy of and claims nothing', async () => {
      expect(copy).toMatchObject({
        point: capture.point,
        archiveId: capture.archiveId,
        volumeId: capture.volume.volumeId,
        snapshotId: capture.snapshotId,
        capturedAt: capture.capturedAt,
        consistency: capture.consistency,
        sizeBytes: capture.sizeBytes,
        state: 'unverified',
        verifiedAt: null,
      })
      expect(await bench.leftovers(capture)).toEqual([])
    })

    it('writes the same copy once, however often it is asked', async () => {
      const again = await bench.open().writeCopy(capture, null, contextFor().context)
      expect(again.ref).toEqual(copy.ref)
      expect(await copiesOf(capture)).toHaveLength(1)
    })

    it('lists the copy with all that was known of it, for its volume and for all volumes', async () => {
      expect(await copiesOf(capture)).toEqual([copy])
      const all = await bench.open().listCopies(null, contextFor().context)
      expect(all.filter((one) => one.archiveId === capture.archiveId)).toEqual([copy])
      expect(await bench.open().listCopies(randomUUID(), contextFor().context)).toEqual([])
    })

    it('verifies the copy by its own bytes', async () => {
      const verification = await bench.open().verifyCopy(copy, capture, contextFor().context)
      expect(verification).toMatchObject({
        state: 'verified',
        rootHash: await bench.hashOfCapture(capture),
        reason: null,
      })
      expect(verification.readBytes).toBeGreaterThan(0)
      expect(await bench.leftovers(capture)).toEqual([])
    })

    it('keeps the mark where the copy is', async () => {
      const mark = {
        state: 'verified',
        rootHash: await bench.hashOfCapture(capture),
        verifiedAt: '2026-11-23T03:00:00.000Z',
        reason: null,
      } as const
      const marked = await bench.open().markCopy(copy, mark, contextFor().context)
      expect(marked).toEqual({ ...copy, ...mark })
      expect(await copiesOf(capture)).toEqual([marked])
      copy = marked
    })

    it('restores the content into another volume', async () => {
      const volumeId = await bench.emptyVolume(capture)
      const destination = bench.destinationOf?.(volumeId) ?? { kind: 'volume', volumeId }
      await bench.open().restoreCopy(copy, destination, contextFor().context)
      expect(await bench.hashOfVolume(volumeId)).toBe(await bench.hashOfCapture(capture))
    })

    it('verifies against the known hash when the capture is gone', async () => {
      const other = await bench.capture()
      const written = await bench.open().writeCopy(other, null, contextFor().context)
      const rootHash = await bench.hashOfCapture(other)
      await bench.release(other)
      if (written.rootHash === null) {
        const unknown = await bench.open().verifyCopy(written, null, contextFor().context)
        expect(unknown.state).toBe('unverified')
        expect(unknown.reason).not.toBeNull()
      } else expect(written.rootHash).toBe(rootHash)
      const known = await bench.open().verifyCopy({ ...written, rootHash }, null, contextFor().context)
      expect(known).toMatchObject({ state: 'verified', rootHash })
    })

    it('compares a copy with no other capture than its own', async () => {
      const later = await bench.captureAgain(capture)
      const verification = await bench.open().verifyCopy({ ...copy, rootHash: null }, later, contextFor().context)
      // the mark on the target still knows the hash of the right one
      expect(verification).toMatchObject({ state: 'verified', rootHash: copy.rootHash })
      await bench.release(later)
    })

    it('finds a copy whose data is gone damaged, whatever its service says', async () => {
      const other = await bench.capture()
      const written = await bench.open().writeCopy(other, null, contextFor().context)
      await bench.destroy(written)
      const verification = await bench.open().verifyCopy(written, other, contextFor().context)
      expect(verification.state).toBe('damaged')
      expect(verification.reason).not.toBeNull()
      expect(await bench.leftovers(other)).toEqual([])
      const mark = { state: 'damaged', rootHash: verification.rootHash, verifiedAt: null, reason: 'gone' } as const
      await bench.open().markCopy(written, mark, contextFor().context)
      expect(await copiesOf(other)).toMatchObject([{ state: 'damaged' }])
      await bench.release(other)
    })

    it.each(killAt)('makes one whole copy although writing is killed at report %i', async (report) => {
      const other = await bench.capture()
      const killed = contextFor(report)
      await settledOrKilled(bench.open().writeCopy(other, null, killed.context), killed.abort)
      const written = await bench.open().writeCopy(other, null, contextFor().context)
      expect(await copiesOf(other)).toEqual([written])
      expect(await bench.leftovers(other)).toEqual([])
      const verifying = contextFor(report)
      await settledOrKilled(bench.open().verifyCopy(written, other, verifying.context), verifying.abort)
      expect(await bench.open().verifyCopy(written, other, contextFor().context)).toMatchObject({ state: 'verified' })
      expect(await bench.leftovers(other)).toEqual([])
      await bench.release(other)
    })

    it.each(killAt)('leaves nothing beside finished copies when it is given up at report %i', async (report) => {
      const other = await bench.capture()
      const archive = { archiveId: other.archiveId, volumeId: other.volume.volumeId }
      const writing = contextFor(report)
      await settledOrKilled(bench.open().writeCopy(other, null, writing.context), writing.abort)
      await bench.open().removeTemporaries(archive, contextFor().context)
      expect(await bench.leftovers(other)).toEqual([])
      const written = await bench.open().writeCopy(other, null, contextFor().context)
      const verifying = contextFor(report)
      await settledOrKilled(bench.open().verifyCopy(written, other, verifying.context), verifying.abort)
      await bench.open().removeTemporaries(archive, contextFor().context)
      expect(await bench.leftovers(other)).toEqual([])
      expect(await copiesOf(other)).toHaveLength(1)
      await bench.release(other)
    })

    it('removes a copy, and is content when it is gone already', async () => {
      const later = await bench.captureAgain(capture)
      const written = await bench.open().writeCopy(later, null, contextFor().context)
      await bench.open().removeCopy(written, contextFor().context)
      await bench.open().removeCopy(written, contextFor().context)
      expect(await copiesOf(capture)).toEqual([copy])
      expect(await bench.open().verifyCopy(written, later, contextFor().context)).toMatchObject({ state: 'damaged' })
      expect(await bench.open().verifyCopy(copy, capture, contextFor().context)).toMatchObject({ state: 'verified' })
      await bench.release(later)
    })

    it('tells its capacity, or that it cannot', async () => {
      const { freeBytes, totalBytes } = await bench.open().capacity()
      for (const bytes of [freeBytes, totalBytes]) {
        if (bytes !== null) expect(bytes).toBeGreaterThanOrEqual(0)
      }
    })

    async function copiesOf({ volume }: Capture): Promise<Copy[]> {
      return bench.open().listCopies(volume.volumeId, contextFor().context)
    }
  })
}

/** An act that is killed may also have been done before the report at which that happens. */
async function settledOrKilled(act: Promise<unknown>, abort: AbortController): Promise<void> {
  try {
    await act
  } catch (error) {
    expect(abort.signal.aborted, String(error)).toBe(true)
  }
}
