import type { BackupRecord } from './state.js'

/** What a driver's `backup` changes in the row. */
export interface Stored {
  container: string
  serviceMetadata: string | null
  objectCount: number
}

/** A backup driver as the backup service uses it; its bytes lie in `<dir>/backups`. */
export interface BackupDriver {
  /** The class name that Cinder shows in `export_record` and in notifications. */
  readonly name: string
  /** What `container` becomes when none was asked for, before anything is stored. */
  readonly defaultContainer: string | null
  readonly supportsForceDelete: boolean
  /**
   * Stores the file `source`. Throws with the words that become `fail_reason`; what it removed before is removed.
   * @param parent the backup it is incremental to
   */
  backup(backup: BackupRecord, source: string, parent: BackupRecord | undefined): Promise<Stored>
  /** Writes the backup's bytes over the file `destination`. */
  restore(backup: BackupRecord, destination: string): Promise<void>
  remove(backup: BackupRecord, parent: BackupRecord | undefined): Promise<void>
  /** Breaks what is stored. `children` are the backups that read parts of this one. */
  damage(backup: BackupRecord, how: 'flip' | 'truncate' | 'gone', children: readonly BackupRecord[]): Promise<void>
  /** Whether bytes for it exist at all. */
  exists(backup: BackupRecord): Promise<boolean>
}
