/** A volume of a `CephBench` and its copies, handled without starting a program for each question. */
import { randomUUID } from 'node:crypto'
import { expect } from 'vitest'
import { keyOf, manifestMeta, markMeta, readingMeta } from '../../targets/ceph/names.js'
import type { Capture, Copy } from '../../targets/target.js'
import type { CephBench } from '../targets/ceph-bench.js'
import type { CephHands } from './ceph-hands.js'
import { volumeImage } from './lab.js'
import type { RbdAct } from './rbd-hands.js'

export interface QuickVolume {
  id: string
  /** `volumes/…` on prod. */
  image: string
  act(...acts: RbdAct[]): Promise<void>
  /** A capture for an archive of its own. */
  capture(): Promise<Capture>
  /** Removes the captures' RBD snapshots; content when they are gone. */
  release(...captures: Capture[]): Promise<void>
  /** The copy must be verified and hold what its capture holds, by other hands than ours. */
  mustBeRight(copy: Copy, capture: Capture, how?: 'whole' | 'objects'): Promise<void>
  /**
   * On the target lie these copies of the volume, the oldest first, and nothing else of it: no other RBD snapshot,
   * record or tree, no image without copies, and nobody has the image open.
   */
  mustHoldOnly(copies: Copy[]): Promise<void>
  /** Removes what the target holds of the volume. */
  end(): Promise<void>
}

/** Who was killed keeps the image open until the cluster notices, after half a minute. */
async function nobodyHasItOpen(there: CephHands, image: string): Promise<void> {
  const noticed = performance.now() + 40_000
  const watchers = async () => {
    if (performance.now() > noticed) await there.forgetWatches(image)
    return (await there.look(image))?.watchers
  }
  await expect.poll(watchers, { timeout: 60_000, interval: 500 }).toEqual([])
}

/** @param where the hands on both clusters; `pool` is the target's, by default the lab's own */
export async function quickVolume(
  bench: CephBench,
  sizeMib: number,
  where: { prod: CephHands; copies: CephHands; pool?: string },
): Promise<QuickVolume> {
  const { prod, copies: there, pool = 'archives' } = where
  const id = await bench.newVolume(sizeMib)
  const image = volumeImage(id)
  const first = await bench.captureOf(id)
  await bench.release(first)
  const archives: string[] = []

  async function imageOfCopies(): Promise<string | undefined> {
    const found = (await there.images(pool)).filter((name) => name.startsWith(`ck-${id}-`))
    expect(found.length).toBeLessThan(2)
    return found[0] === undefined ? undefined : `${pool}/${found[0]}`
  }

  async function trees(): Promise<string[]> {
    const all = await there.objects(pool, 'ck-tree.')
    return all.filter((name) => archives.some((archive) => name.includes(archive)))
  }

  return {
    id,
    image,
    act: async (...acts) => prod.act(image, acts),
    capture: async () => {
      const archiveId = randomUUID()
      archives.push(archiveId)
      const name = `backup.${archiveId}.snap.${Math.floor(Date.now() / 1000)}`
      const made = await prod.snapshot(image, name)
      const capturedAt = new Date().toISOString()
      return {
        ...first,
        point: `${capturedAt.slice(0, 19)}Z-${archiveId.slice(0, 8)}`,
        archiveId,
        archive: `archive/${id}/manual:${archiveId}/1`,
        slot: `manual:${archiveId}`,
        snapshotId: String(made.id),
        snapshotName: name,
        capturedAt,
        sizeBytes: made.size,
      }
    },
    release: async (...captures) => {
      const there = new Set((await prod.look(image))?.snapshots.map(({ name }) => name))
      const names = captures.map(({ snapshotName }) => snapshotName).filter((name) => there.has(name))
      if (names.length > 0) await prod.removeSnapshots(image, names)
    },
    mustBeRight: async (copy, capture, how = 'whole') => {
      expect(copy).toMatchObject({ state: 'verified', reason: null, snapshotId: capture.snapshotId })
      const spec = `${pool}/${copy.ref['image'] ?? ''}@${copy.ref['snapshot'] ?? ''}`
      expect(await there.content(spec, how)).toBe(await prod.content(`${image}@${capture.snapshotName}`, how))
    },
    mustHoldOnly: async (copies) => {
      const found = await imageOfCopies()
      const seen = found === undefined ? null : await there.look(found)
      const records = copies.flatMap((copy) => {
        const key = keyOf(copy)
        return copy.state === 'unverified' ? [manifestMeta(key)] : [manifestMeta(key), markMeta(key), readingMeta(key)]
      })
      expect({
        snapshots: seen?.snapshots.map(({ name }) => name),
        records: seen?.records.filter((key) => key.startsWith('ck.')).sort(),
        trees: [...new Set((await trees()).map((name) => name.replace(/^ck-tree\.(.*)\.\d+$/, '$1')))].sort(),
      }).toEqual({
        snapshots: copies.length === 0 ? undefined : copies.map(({ ref }) => ref['snapshot']),
        records: copies.length === 0 ? undefined : records.sort(),
        trees: copies.map((copy) => keyOf(copy)).sort(),
      })
      if (found !== undefined) await nobodyHasItOpen(there, found)
    },
    end: async () => {
      const found = await imageOfCopies()
      if (found !== undefined) await there.remove(found)
      await there.removeObjects(pool, await trees())
    },
  }
}
