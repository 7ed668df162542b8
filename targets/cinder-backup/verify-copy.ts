import { CodedError } from '../../errors/coded-error.js'
import type { Volume } from '../../openstack/cinder.js'
import type { HashedBytes, Source } from '../../source/source.js'
import type { Capture, Copy, CopyContext, Verification } from '../target.js'
import { firstBytes, hashWithProgress } from './hash-part.js'
import { readMark } from './manifest.js'
import { asOwnBackup, backupIdOf, type OwnBackup } from './own-backups.js'
import { restoreFailed, restoreInto, type RestoreEnd } from './restore-into.js'
import { isRestoredFrom, markScratchAgain, removeScratch, scratchVolume } from './scratch-volume.js'
import { hasCode, type Setting } from './setting.js'
import { captureSnapshot } from './temporary-volume.js'
import { forceReason } from './to-copy.js'
import { waitForBackup } from './wait-for-backup.js'

const triesToRestore = 2

/** Restores the copy into a scratch volume and compares what it reads there with the capture, or with its known hash. */
export async function verifyCopy(
  setting: Setting,
  copy: Copy,
  capture: Capture | null,
  context: CopyContext,
): Promise<Verification> {
  const backup = await waitForBackup(setting, context, backupIdOf(copy))
  if (backup === null) return damaged(copy.rootHash, 'Cinder no longer knows the backup')
  const own = asOwnBackup(setting, backup)
  if (own === null) return damaged(copy.rootHash, 'the backup no longer carries its manifest')
  if (own.manifest.way === 'force') return unverified(copy.rootHash, forceReason)
  if (backup.status !== 'available') {
    return damaged(copy.rootHash, `Cinder calls the backup ${backup.status}: ${backup.failReason ?? 'no reason given'}`)
  }
  const truth = whatToCompareWith(setting, copy, own, capture)
  if ('reason' in truth) return unverified(copy.rootHash, truth.reason)
  let hashed: HashedBytes | undefined
  return withScratch(setting, own, context, async (scratch) => {
    const source = setting.sources.find(scratch.host)
    if (source === undefined) {
      return unverified(copy.rootHash, `no source reaches ${scratch.host ?? 'the host'} of the volume to restore into`)
    }
    if ('hash' in truth) {
      const expected = { rootHash: truth.hash, sizeBytes: copy.sizeBytes }
      return compare(setting, own, context, { scratch, source, expected })
    }
    hashed ??= await hashCapture(setting, truth.source, truth.capture, context)
    return compare(setting, own, context, { scratch, source, expected: hashed })
  })
}

/** The capture while it exists and can be read; else the hash that is known of it. */
function whatToCompareWith(
  { sources }: Setting,
  copy: Copy,
  own: OwnBackup,
  capture: Capture | null,
): { capture: Capture; source: Source } | { hash: string } | { reason: string } {
  const known = copy.rootHash ?? readMark(own.backup.metadata).rootHash
  // after a reset of the archive the capture may be another one than the copy was made from
  const same = capture !== null && capture.snapshotId === copy.snapshotId ? capture : null
  const source = same === null ? undefined : sources.find(same.volume.host)
  if (same !== null && source !== undefined) return { capture: same, source }
  if (known !== null) return { hash: known }
  return {
    reason:
      same === null
        ? 'the capture is gone and its hash was never taken'
        : `no source reaches ${same.volume.host ?? 'the host'} of the volume, so the capture cannot be read`,
  }
}

async function hashCapture(
  setting: Setting,
  source: Source,
  capture: Capture,
  context: CopyContext,
): Promise<HashedBytes> {
  const { volumeId, host, nameId } = capture.volume
  try {
    const bytes = await source.open({ volumeId, host, nameId, snapshotId: capture.snapshotId })
    return await hashWithProgress(bytes, 'reading the capture', context)
  } catch (error) {
    // a source cannot tell a volume that was deleted with its snapshots from a wrong directory; Cinder can
    if (hasCode(error, 'CK-SOURCE-IMAGE-MISSING')) await captureSnapshot(setting, capture, context)
    throw error
  }
}

interface Comparison {
  scratch: Volume
  source: Source
  expected: { rootHash: string; sizeBytes: number }
}

async function compare(
  setting: Setting,
  own: OwnBackup,
  context: CopyContext,
  { scratch, source, expected }: Comparison,
): Promise<Verification | Failed> {
  if (!isRestoredFrom(scratch, own.backup)) {
    const isRestored = (volume: Volume): boolean => isRestoredFrom(volume, own.backup)
    const end = await restoreInto(setting, context, own.backup, scratch.id, isRestored)
    if ('failed' in end) return { ...end, expected: expected.rootHash }
  }
  await markScratchAgain(setting, own, scratch)
  const read = await hashScratch(source, scratch, expected.sizeBytes, context)
  if (read.rootHash === expected.rootHash) {
    return { state: 'verified', rootHash: read.rootHash, reason: null, readBytes: read.readBytes }
  }
  return damaged(
    expected.rootHash,
    `it reads back as ${read.rootHash} (${read.sizeBytes} bytes), but the capture is ${expected.rootHash} (${expected.sizeBytes} bytes)`,
    read.readBytes,
  )
}

async function hashScratch(
  source: Source,
  { id, host }: Volume,
  sizeBytes: number,
  context: CopyContext,
): Promise<HashedBytes> {
  try {
    const bytes = await source.open({ volumeId: id, host, nameId: null, snapshotId: null })
    return await hashWithProgress(firstBytes(bytes, sizeBytes), 'reading the restored copy', context)
  } catch (error) {
    if (!hasCode(error, 'CK-CAPTURE-LOST')) throw error
    // nothing is wrong with the capture: the scratch volume vanished or was written to
    throw new CodedError('CK-SCRATCH-LOST', `the scratch volume ${id} changed while it was read`, {
      cure: 'Leave volumes called ck-… alone. It is tried again by itself.',
      cause: error,
    })
  }
}

/** A restore that failed although the service was up; whether that proves damage is decided after the second one. */
type Failed = Extract<RestoreEnd, { failed: unknown }> & { expected: string }

/**
 * Restores are tried twice, each into a fresh volume. Damage is concluded only from the backup driver's own failure;
 * a service that was restarted in the middle, or a volume that could not be attached, says nothing about the copy.
 */
async function withScratch(
  setting: Setting,
  own: OwnBackup,
  context: CopyContext,
  act: (scratch: Volume) => Promise<Verification | Failed>,
): Promise<Verification> {
  for (let attempt = 1; ; attempt += 1) {
    const scratch = await scratchVolume(setting, own, context)
    const end = await act(scratch).catch(async (error: unknown) => {
      await giveScratchUp(setting, scratch)
      throw error
    })
    await removeScratch(setting, own, scratch, context)
    if (!('failed' in end)) return end
    if (attempt < triesToRestore) continue
    if (!end.failed.byDriver) throw restoreFailed(own.backup, end.failed)
    return damaged(end.expected, `Cinder failed ${triesToRestore} times to restore it: ${end.failed.said}`)
  }
}

/** On the way out with an error: asks for its deletion if Cinder allows that now; removeTemporaries does the rest. */
async function giveScratchUp({ cinder, log, name }: Setting, scratch: Volume): Promise<void> {
  try {
    const { status } = await cinder.getVolume(scratch.id)
    if (status === 'available' || status.startsWith('error')) await cinder.deleteVolume(scratch.id)
  } catch (error) {
    if (!hasCode(error, 'CK-VOLUME-GONE')) {
      log.warn({ target: name, volume: scratch.id, err: error }, 'the scratch volume could not be deleted yet')
    }
  }
}

function unverified(rootHash: string | null, reason: string): Verification {
  return { state: 'unverified', rootHash, reason, readBytes: 0 }
}

function damaged(rootHash: string | null, reason: string, readBytes = 0): Verification {
  return { state: 'damaged', rootHash, reason, readBytes }
}
