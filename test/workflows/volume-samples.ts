/** What a volume's workflow remembers, for tests of its rules. */
import type { Copy } from '../../targets/target.js'
import type { RunningArchive, VolumeState } from '../../workflows/volume-memory.js'
import { freshState } from '../../workflows/volume-state.js'

export const known = (): VolumeState => ({ ...freshState(), rebuilding: [], policy: 'all' })
export const archive = (targets: string[], slot = 's'): RunningArchive => ({
  ...{ archive: `archive/v/${slot}/1`, archiveId: 'a', slot, attempt: 1, events: ['volume.create.end'], targets },
  ...{ failures: 0, deferrals: 0, heartbeatSeconds: 5 },
})
export function copy(target: string, i: number, state: Copy['state'] = 'verified', padding = ''): Copy {
  const capturedAt = new Date(Date.UTC(2026, 0, 1) + i * 3_600_000).toISOString()
  return {
    ...{ target, kind: 'cinder-backup', point: `${capturedAt}-${i}`, archiveId: `a${i}`, archive: `archive/v/s${i}/1` },
    ...{
      slot: `s${i}`,
      group: null,
      volumeId: 'v',
      projectId: 'p',
      snapshotId: 'x',
      capturedAt,
      consistency: 'detached',
    },
    ...{ sizeBytes: 1, ref: {}, state, rootHash: null, verifiedAt: null, writtenBytes: null, storedBytes: null },
    ...{ basePoint: null, reason: padding },
  }
}
