/** Cinder's volumes, snapshots and backups as the rest of Cinderkeep sees them. */
import { backupCalls } from './backups.js'
import { cinderCalls } from './cinder-call.js'
import { stateCalls } from './cinder-state.js'
import { poolCalls } from './pools.js'
import type { CloudSession } from './session.js'
import { snapshotCalls } from './snapshots.js'
import { volumeCalls } from './volumes.js'

/** One attachment as `GET /volumes/{id}` shows it. */
export interface Attachment {
  /** Cinder's attachment id. */
  attachmentId: string
  /** Nova's server, or null for an attachment of something else. */
  serverId: string | null
  hostName: string | null
  device: string | null
}

/**
 * `GET /volumes/{id}`, seen with an admin's eyes. Sizes are Cinder's: GiB. Times here and below are UTC and end in `Z`;
 * a creation's answer may hold a fraction of a second that Cinder's database then drops.
 */
export interface Volume {
  id: string
  name: string
  description: string | null
  /** `available`, `in-use`, `creating`, `error`, … */
  status: string
  sizeGib: number
  projectId: string
  userId: string | null
  /** `host@backend#pool`; null while it is being scheduled or to those who are not admin. */
  host: string | null
  /** The id in the backend's object name where it differs from `id` (after a migration), else null. */
  nameId: string | null
  migrationStatus: string | null
  /** The type's name. */
  type: string | null
  availabilityZone: string | null
  bootable: boolean
  multiattach: boolean
  encrypted: boolean
  encryptionKeyId: string | null
  snapshotId: string | null
  sourceVolumeId: string | null
  createdAt: string
  /** When Cinder last changed anything of it (its status at an attach or detach, a name, …); null when it never did. */
  updatedAt: string | null
  metadata: Record<string, string>
  imageMetadata: Record<string, string>
  attachments: Attachment[]
}

/** `GET /snapshots/{id}`. */
export interface Snapshot {
  id: string
  name: string
  volumeId: string
  status: string
  sizeGib: number
  projectId: string | null
  createdAt: string
  metadata: Record<string, string>
}

/** `GET /backups/{id}`. Cinder's API shows neither the driver nor the parent (facts/openstack.md 1). */
export interface Backup {
  id: string
  name: string
  description: string | null
  status: string
  volumeId: string
  snapshotId: string | null
  sizeGib: number
  objectCount: number | null
  container: string | null
  isIncremental: boolean
  hasDependents: boolean
  failReason: string | null
  createdAt: string
  dataTimestamp: string | null
  projectId: string | null
  metadata: Record<string, string>
}

export interface Service {
  binary: string
  host: string
  status: string
  state: string
  availabilityZone: string | null
}

export interface Limits {
  /** -1 means unlimited. */
  maxVolumes: number
  usedVolumes: number
  maxSnapshots: number
  usedSnapshots: number
  maxGigabytes: number
  usedGigabytes: number
  maxBackups: number
  usedBackups: number
  maxBackupGigabytes: number
  usedBackupGigabytes: number
}

/** A pool of a backend, as its driver last told the scheduler; null is what it does not tell, or calls infinite. */
export interface Pool {
  /** `host@backend#pool` */
  name: string
  totalGib: number | null
  freeGib: number | null
  /** Of all volumes together, as large as they say they are. */
  provisionedGib: number | null
  /** Of the total, kept free. */
  reservedPercentage: number
  /** Volumes take only what was written to them. */
  thin: boolean
  /** How often the total may be promised; only where volumes are thin. */
  overSubscription: number | null
}

/** Why an asynchronous act of Cinder failed (`GET /messages`). */
export interface Message {
  id: string
  eventId: string
  userMessage: string
  level: string
  createdAt: string
}

/**
 * Every call belongs to the project of the session it was made with. Calls that create answer with the object as
 * Cinder accepted it (still `creating`); none of them repeats a POST by itself: after `CK-CLOUD-ANSWER-LOST` the caller
 * looks the object up by its name.
 */
export interface Cinder {
  /** @throws CodedError `CK-VOLUME-GONE` */
  getVolume(id: string): Promise<Volume>
  /**
   * Pages through; `name` is exact. `allProjects` needs an admin. With `after` it begins behind the last of these
   * volumes that still exists, and from the start when none does.
   */
  listVolumes(filter?: {
    allProjects?: boolean
    after?: string[]
    name?: string
    status?: string
    metadata?: Record<string, string>
  }): AsyncIterable<Volume>
  createVolume(request: {
    name: string
    sizeGib: number
    type?: string
    snapshotId?: string
    description?: string
    availabilityZone?: string
    metadata?: Record<string, string>
  }): Promise<Volume>
  updateVolume(
    id: string,
    change: { name?: string; description?: string; metadata?: Record<string, string> },
  ): Promise<void>
  /** Merges keys into the volume's metadata. */
  setVolumeMetadata(id: string, metadata: Record<string, string>): Promise<void>
  /** Done when it is gone already. */
  deleteVolume(id: string): Promise<void>

  /** @throws CodedError `CK-SNAPSHOT-GONE` */
  getSnapshot(id: string): Promise<Snapshot>
  listSnapshots(filter?: { allProjects?: boolean; name?: string; volumeId?: string }): AsyncIterable<Snapshot>
  /** `force` allows a volume in use. */
  createSnapshot(request: {
    volumeId: string
    name: string
    force: boolean
    description?: string
    metadata?: Record<string, string>
  }): Promise<Snapshot>
  /** @throws CodedError `CK-SNAPSHOT-GONE` */
  updateSnapshot(id: string, change: { name?: string; description?: string }): Promise<void>
  /** Merges keys into the snapshot's metadata. @throws CodedError `CK-SNAPSHOT-GONE` */
  setSnapshotMetadata(id: string, metadata: Record<string, string>): Promise<void>
  deleteSnapshot(id: string): Promise<void>

  /** @throws CodedError `CK-BACKUP-GONE` */
  getBackup(id: string): Promise<Backup>
  /** `nameLike` is a substring (`name~`, microversion 3.34); `name` is exact. */
  listBackups(filter?: {
    allProjects?: boolean
    name?: string
    nameLike?: string
    volumeId?: string
    status?: string
  }): AsyncIterable<Backup>
  createBackup(request: {
    volumeId: string
    name: string
    snapshotId?: string
    incremental?: boolean
    force?: boolean
    container?: string
    description?: string
    metadata?: Record<string, string>
  }): Promise<Backup>
  /** Replaces the whole metadata when it is given (`PUT /backups/{id}`, microversion 3.43). */
  updateBackup(
    id: string,
    change: { name?: string; description?: string; metadata?: Record<string, string> },
  ): Promise<void>
  deleteBackup(id: string): Promise<void>
  /** Restores into an existing `available` volume, never into a new one (facts/openstack.md 2, Restore). */
  restoreBackup(id: string, volumeId: string): Promise<void>
  /** The driver's service and record; needs an admin. `url` is base64 JSON. */
  exportRecord(id: string): Promise<{ service: string; url: string }>

  getLimits(): Promise<Limits>
  /** Needs an admin. */
  listPools(): Promise<Pool[]>
  listServices(filter?: { binary?: string }): Promise<Service[]>
  listMessages(resourceId: string): Promise<Message[]>
  /** Admin only: sets a stuck object's status. */
  resetStatus(kind: 'volumes' | 'snapshots' | 'backups', id: string, status: string): Promise<void>
}

/** Cinder's API, version 3.43 at least, as the session's identity. */
export function cinder(session: CloudSession): Cinder {
  const calls = cinderCalls(session)
  return {
    ...volumeCalls(calls),
    ...snapshotCalls(calls),
    ...backupCalls(calls),
    ...poolCalls(calls),
    ...stateCalls(calls),
  }
}
