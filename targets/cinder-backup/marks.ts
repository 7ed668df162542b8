import type { Backup, Volume } from '../../openstack/cinder.js'

/** What a marked object is for: a finished copy, the volume a backup is made from, or one restored to be compared. */
export type Purpose = 'copy' | 'temporary' | 'scratch'

/** How long a temporary object may be needed at most: the longest act (7 days) and its repetition. */
const temporaryDays = 14

/** The metadata that proves without Temporal that an object is ours, and when it is no longer needed (design 2, ledger). */
export function ownMarks(given: {
  installation: string
  archiveId: string
  volumeId: string
  purpose: Purpose
}): Record<string, string> {
  const marks: Record<string, string> = {
    'ck:installation': given.installation,
    'ck:archive': given.archiveId,
    'ck:volume': given.volumeId,
    'ck:purpose': given.purpose,
  }
  if (given.purpose !== 'copy') {
    marks['ck:expires'] = new Date(Date.now() + temporaryDays * 86_400_000).toISOString()
  }
  return marks
}

/**
 * A restore writes the metadata of the volume that was backed up onto the destination, our marks included: then they
 * would call a tenant's volume a temporary one of ours. So a temporary volume is told its own id before it is backed
 * up, and marks that name another volume mean nothing.
 */
export function selfMark(volumeId: string): Record<string, string> {
  return { 'ck:self': volumeId }
}

/** The tenant's own metadata: a volume that somebody restored from a copy of ours may carry our marks as well. */
export function withoutMarks(metadata: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(metadata).filter(([key]) => !key.startsWith('ck:')))
}

/** Whether the volume is provably a temporary object of this archive, made by this installation. */
export function isOurVolume(volume: Volume, given: { installation: string; archiveId: string }): boolean {
  const { metadata } = volume
  const self = metadata['ck:self']
  return (
    metadata['ck:installation'] === given.installation &&
    metadata['ck:archive'] === given.archiveId &&
    (metadata['ck:purpose'] === 'temporary' || metadata['ck:purpose'] === 'scratch') &&
    (self === undefined || self === volume.id)
  )
}

export function isOurBackup(backup: Backup, installation: string): boolean {
  return backup.metadata['ck:installation'] === installation
}
