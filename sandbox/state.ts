/** Everything the sandbox knows: plain records in maps, changed only by the files that answer requests. */
import type { Guest } from './guest.js'

/** A project as Keystone shows it. */
export interface Project {
  id: string
  name: string
  description: string
}

/** A user; `roles` maps project ids to role names (`admin`, `member`). */
export interface User {
  id: string
  name: string
  password: string
  roles: Map<string, string[]>
}

/** An application credential: bound to one user and one project. */
export interface ApplicationCredential {
  id: string
  name: string
  secret: string
  userId: string
  projectId: string
}

/** A token that was handed out. Times are milliseconds since the epoch. */
export interface Token {
  id: string
  userId: string
  projectId: string | null
  issuedAt: number
  expiresAt: number
  methods: string[]
}

export interface VolumeType {
  id: string
  name: string
  description: string | null
  isPublic: boolean
  extraSpecs: Record<string, string>
}

/** One attachment of a volume; `status` is `reserved`, `attaching` or `attached`. */
export interface AttachmentRecord {
  id: string
  volumeId: string
  serverId: string | null
  host: string | null
  device: string | null
  mode: string
  status: 'reserved' | 'attaching' | 'attached'
  createdAt: string
  updatedAt: string | null
  attachedAt: string | null
  connector: Record<string, unknown> | null
}

/** A volume; its bytes are the sparse file `volume-<id>`. */
export interface VolumeRecord {
  id: string
  name: string | null
  description: string | null
  status: string
  previousStatus: string | null
  /** GiB */
  size: number
  projectId: string
  userId: string
  host: string | null
  migrationStatus: string | null
  typeId: string
  availabilityZone: string
  bootable: boolean
  multiattach: boolean
  snapshotId: string | null
  sourceVolumeId: string | null
  createdAt: string
  updatedAt: string | null
  launchedAt: string | null
  metadata: Record<string, string>
  imageMetadata: Record<string, string>
  attachments: AttachmentRecord[]
  /** false for what Cinder makes for itself, for example `backup-vol-<id>` */
  usesQuota: boolean
}

/** A snapshot; its bytes are the sparse file `snapshot-<id>`. */
export interface SnapshotRecord {
  id: string
  name: string | null
  description: string | null
  status: string
  volumeId: string
  /** GiB, the volume's size when it was taken */
  size: number
  projectId: string
  userId: string
  createdAt: string
  updatedAt: string | null
  metadata: Record<string, string>
  /** Whether every running server that had the volume attached stood frozen while its bytes were copied; API: none. */
  frozen: boolean
  /** The writer's counter of the server that had the volume attached, as its bytes were copied; null: nobody wrote. */
  writes: number | null
  /** The request id that came with the request: Nova's own, of createImage; else the client's, or null. */
  globalRequestId: string | null
}

/** What the backup driver stored of the volume besides its bytes; a restore writes it over the volume. */
export interface SavedMetadata {
  name: string | null
  description: string | null
  metadata: Record<string, string>
  imageMetadata: Record<string, string>
}

/** A backup's row. Where its bytes lie is the driver's business (backup-driver-*.ts). */
export interface BackupRecord {
  id: string
  name: string | null
  description: string | null
  status: string
  volumeId: string
  snapshotId: string | null
  parentId: string | null
  size: number
  objectCount: number
  container: string | null
  availabilityZone: string | null
  host: string | null
  service: string | null
  serviceMetadata: string | null
  failReason: string | null
  createdAt: string
  updatedAt: string | null
  dataTimestamp: string
  projectId: string
  userId: string
  metadata: Record<string, string>
  /** What the driver put beside the data; null once the driver removed it. */
  saved: SavedMetadata | null
}

export interface TransferRecord {
  id: string
  name: string | null
  volumeId: string
  authKey: string
  createdAt: string
  noSnapshots: boolean
  sourceProjectId: string
  destinationProjectId: string | null
  accepted: boolean
}

export interface MessageRecord {
  id: string
  projectId: string
  actionId: string
  detailId: string
  userMessage: string
  requestId: string
  resourceType: string
  resourceId: string
  createdAt: string
}

/** A server; Nova's host and the hypervisor's name are the same here. */
export interface ServerRecord {
  id: string
  name: string
  /** `BUILD`, `ACTIVE`, `SHUTOFF`, `DELETED` */
  status: string
  projectId: string
  userId: string
  /** Changes when it migrates. */
  host: string
  createdAt: string
  metadata: Record<string, string>
  /** Empty: it boots from a volume. */
  imageRef: string
  /** null: nothing was ever attached. */
  rootVolumeId: string | null
  /** Nova's copy of the boot volume's image metadata, as it was when the server was made. */
  imageProperties: Record<string, string>
  guest: Guest
}

/** An image; none here has any bytes. */
export interface ImageRecord {
  id: string
  name: string
  projectId: string
  visibility: 'private' | 'shared'
  createdAt: string
  properties: Record<string, string>
}

/** The limits of one project; -1 is unlimited. Names are those of `os-quota-sets`. */
export interface Quota {
  volumes: number
  snapshots: number
  gigabytes: number
  backups: number
  backup_gigabytes: number
  per_volume_gigabytes: number
  groups: number
}

export interface State {
  projects: Map<string, Project>
  users: Map<string, User>
  applicationCredentials: Map<string, ApplicationCredential>
  tokens: Map<string, Token>
  types: Map<string, VolumeType>
  volumes: Map<string, VolumeRecord>
  snapshots: Map<string, SnapshotRecord>
  backups: Map<string, BackupRecord>
  transfers: Map<string, TransferRecord>
  messages: Map<string, MessageRecord>
  servers: Map<string, ServerRecord>
  images: Map<string, ImageRecord>
  quotas: Map<string, Quota>
  /** Room in the one pool, as its driver tells the scheduler; nothing is refused for want of it. */
  pool: { totalGib: number; freeGib: number }
}

/** Cinder's own defaults (facts/openstack.md 2, Quota). */
export const defaultQuota: Readonly<Quota> = {
  volumes: 10,
  snapshots: 10,
  gigabytes: 1000,
  backups: 10,
  backup_gigabytes: 1000,
  per_volume_gigabytes: -1,
  groups: 10,
}

/** Times as Cinder's database holds them: UTC, microseconds, no zone. */
export function databaseTime(at: Date = new Date()): string {
  return at.toISOString().replace('Z', '000')
}
