import { expect } from 'vitest'
import { leafBytes } from '../../source/hash-fold.js'
import type { Capture, Copy, Verification } from '../../targets/target.js'
import type { CephBench } from '../targets/ceph-bench.js'
import { contextFor } from '../targets/contract.js'
import { type Lab, sha256OfRbd, volumeImage } from './lab.js'
import { rbdActs } from './rbd-hands.js'

/** Volumes of 16 leaves on the lab, and what tests of faults ask of them. */
export function fullVolumes(lab: Lab, bench: () => CephBench) {
  let seed = 0
  async function write(volumeId: string, offset: number, length: number): Promise<void> {
    seed += 1
    await rbdActs(lab, 'prod', volumeImage(volumeId), [{ act: 'write', offset, length, seed }])
  }
  return {
    /** Random bytes. */
    write,

    /** A volume full of random bytes. */
    fullVolume: async (): Promise<string> => {
      const id = await bench().newVolume(64)
      await write(id, 0, 16 * leafBytes)
      return id
    },

    copiesOf: async (volumeId: string): Promise<Copy[]> => bench().open().listCopies(volumeId, contextFor().context),

    verify: async (copy: Copy): Promise<Verification> => bench().open().verifyCopy(copy, null, contextFor().context),

    /** By other hands than ours. */
    mustBeSame: async (copy: Copy, capture: Capture): Promise<void> => {
      const source = `${volumeImage(capture.volume.volumeId)}@${capture.snapshotName}`
      const target = `archives/${copy.ref['image'] ?? ''}@${copy.ref['snapshot'] ?? ''}`
      expect(await sha256OfRbd(lab, 'backup', target)).toBe(await sha256OfRbd(lab, 'prod', source))
    },
  }
}
