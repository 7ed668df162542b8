/**
 * Names of what this target makes in Cinder: from the archive's id alone, known before anything exists and the same in
 * every attempt. Cinder allows 255 characters; two UUIDs leave 176 for the target's name (options.ts allows 63).
 */

/** Starts with the volume's id, for a substring of it (`name~`) to find all copies of a volume. */
export function backupName(volumeId: string, archiveId: string, target: string): string {
  return `${volumeBackupsPrefix(volumeId)}${archiveId}-${target}`
}

export function volumeBackupsPrefix(volumeId: string): string {
  return `ck-${volumeId}-`
}

/**
 * The first name, `…-2`, `…-3` that is not taken: by a failed backup that cannot be deleted without danger, or by a
 * copy of an earlier capture of the same archive (after a reset).
 */
export function freeBackupName(first: string, taken: ReadonlySet<string>): string {
  let name = first
  for (let n = 2; taken.has(name); n += 1) name = `${first}-${n}`
  return name
}

/** The volume made from the capture's snapshot, which Ceph's backup driver is given to back up. */
export function temporaryName(archiveId: string, target: string): string {
  return `ck-${archiveId}-${target}-temp`
}

/** The volume that a copy is restored into to be read back. */
export function scratchName(archiveId: string, target: string): string {
  return `ck-${archiveId}-${target}-verify`
}
