import type { Volume } from '../../openstack/cinder.js'
import type { HashedBytes, Source } from '../../source/source.js'
import { orNull } from '../../openstack/or-null.js'
import type { Capture, Copy, CopyContext, Verification } from '../target.js'
import { firstBytes, hashWithProgress } from './hash-part.js'
import { readMark } from './manifest.js'
import { asOwnBackup, backupIdOf, type OwnBackup } from './own-backups.js'
import { restoreInto } from './restore-into.js'
import { goneAsScratch } from './scratch-gone.js'
import { isRestoredFrom, markScratchAgain } from './scratch-volume.js'
import { hasCode, type Setting } from './setting.js'
import { forceReason } from './to-copy.js'
import { untilRead, type Reading } from './until-read.js'
import { waitForBackup } from './wait-for-backup.js'

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
  const { rootHash: known, hashedBytes = copy.sizeBytes } = copy.rootHash === null ? readMark(backup.metadata) : copy
  const truth = whatToCompareWith(setting, copy, known, capture)
  if ('reason' in truth) return unverified(known, truth.reason)
  let expected: Expected | { reason: string } | undefined
  const read = async (scratch: Volume): Promise<Reading> => {
    const reached = whoReads(setting, (capture ?? own.manifest).volume.host, scratch)
    if ('reason' in reached) return unverified(known, reached.reason)
    expected ??=
      'hash' in truth
        ? { rootHash: truth.hash, sizeBytes: hashedBytes }
        : await hashOfCapture(
            setting,
            truth,
            known === null ? null : { rootHash: known, sizeBytes: hashedBytes },
            context,
          )
    if ('reason' in expected) return unverified(null, expected.reason)
    return compare(setting, own, context, { scratch, source: reached.source, expected })
  }
  const verification = await goneAsScratch(() => untilRead(setting, own, context, read))
  if (expected === undefined || 'reason' in expected || expected.sizeBytes === copy.sizeBytes) return verification
  return { ...verification, hashedBytes: expected.sizeBytes }
}

type Expected = Pick<HashedBytes, 'rootHash' | 'sizeBytes'>
type Readable = { capture: Capture; source: Source }

/** The capture while it exists and can be read; else the hash that is known of it. */
function whatToCompareWith(
  { sources }: Setting,
  copy: Copy,
  known: string | null,
  capture: Capture | null,
): Readable | { hash: string } | { reason: string } {
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

/**
 * Who reads the scratch volume: this act runs where the archived volume is reached, but Cinder's scheduler may have put
 * the scratch volume into another zone, and trying again would not bring it back.
 */
function whoReads(
  { sources }: Setting,
  archivedHost: string | null,
  { host }: Volume,
): { source: Source } | { reason: string } {
  const source = sources.find(host)
  if (source === undefined) {
    return { reason: `no source reaches ${host ?? 'the host'} of the volume that was made to restore into` }
  }
  const zone = sources.find(archivedHost)?.zone
  if (zone === undefined || zone === source.zone) return { source }
  return {
    reason: `Cinder put the volume to restore into on ${host ?? 'a host'} in the zone ${source.zone}, but the archived volume is read in the zone ${zone}`,
  }
}

/** After a reset of the archive the capture may have been released already. */
async function hashOfCapture(
  setting: Setting,
  { capture, source }: Readable,
  known: Expected | null,
  context: CopyContext,
): Promise<Expected | { reason: string }> {
  const { volumeId, host, nameId } = capture.volume
  try {
    const bytes = await source.open({ volumeId, host, nameId, snapshotId: capture.snapshotId })
    return await hashWithProgress(bytes, 'reading the capture', context)
  } catch (error) {
    if (!(await isCaptureLost(setting, capture, error))) throw error
    if (known !== null) return known
    return { reason: 'the capture was deleted before its hash was taken' }
  }
}

/** A source that misses the volume's image cannot tell a deleted volume from a wrong configuration; Cinder can. */
async function isCaptureLost({ cinder }: Setting, { snapshotId }: Capture, error: unknown): Promise<boolean> {
  if (hasCode(error, 'CK-CAPTURE-LOST')) return true
  if (!hasCode(error, 'CK-SOURCE-IMAGE-MISSING')) return false
  return (await orNull('CK-SNAPSHOT-GONE', () => cinder.getSnapshot(snapshotId))) === null
}

interface Comparison {
  scratch: Volume
  source: Source
  expected: Expected
}

async function compare(
  setting: Setting,
  own: OwnBackup,
  context: CopyContext,
  { scratch, source, expected }: Comparison,
): Promise<Reading> {
  const isRestored = (volume: Volume): boolean => isRestoredFrom(volume, own.backup)
  const byEarlier = isRestored(scratch)
  if (!byEarlier) {
    const end = await restoreInto(setting, context, own.backup, scratch.id, isRestored)
    if ('failed' in end) return { ...end, expected: expected.rootHash }
  }
  await markScratchAgain(setting, own, scratch)
  const read = await hashScratch(source, scratch, expected.sizeBytes, context)
  if (read === null) return { spoilt: 'it changed while it was read', byEarlier }
  if (read.rootHash === expected.rootHash) {
    return { state: 'verified', rootHash: read.rootHash, reason: null, readBytes: read.readBytes }
  }
  // it lay about since then, and somebody may have written to it
  if (byEarlier) return { spoilt: 'it differs, but another attempt restored it', byEarlier }
  return damaged(
    expected.rootHash,
    `it reads back as ${read.rootHash} (${read.sizeBytes} bytes), but the capture is ${expected.rootHash} (${expected.sizeBytes} bytes)`,
    read.readBytes,
  )
}

/** null when the scratch volume vanished or was written to, which says nothing about the copy. */
async function hashScratch(
  source: Source,
  { id, host }: Volume,
  sizeBytes: number,
  context: CopyContext,
): Promise<HashedBytes | null> {
  try {
    const bytes = await source.open({ volumeId: id, host, nameId: null, snapshotId: null })
    return await hashWithProgress(firstBytes(bytes, sizeBytes), 'reading the restored copy', context)
  } catch (error) {
    if (hasCode(error, 'CK-CAPTURE-LOST')) return null
    throw error
  }
}

function unverified(rootHash: string | null, reason: string): Verification {
  return { state: 'unverified', rootHash, reason, readBytes: 0 }
}

function damaged(rootHash: string | null, reason: string, readBytes = 0): Verification {
  return { state: 'damaged', rootHash, reason, readBytes }
}
