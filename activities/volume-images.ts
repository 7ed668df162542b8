/** The RBD images of volumes, as far as captures need them; the rights that this takes are in docs/ceph.md. */
import { CodedError } from '../errors/coded-error.js'
import { matchPattern } from '../source/match-pattern.js'
import type { RbdSourceOptions, SourcesOptions } from '../source/options.js'
import type { RbdAccess } from '../source/rbd-access.js'
import type { ImageName } from '../source/rbd-command.js'
import { listAllRbdSnapshots, type RbdSnapshot } from '../source/rbd-queries.js'
import {
  createNewRbdSnapshot,
  createRbdSnapshot,
  listImageMeta,
  listTrash,
  removeFromTrash,
  removeImageMeta,
  removeRbdSnapshot,
  setImageMeta,
  type TrashedImage,
} from '../source/rbd-snapshots.js'

/** The images of one pool. Each act leaves the same however often it is done. */
export interface VolumeImages {
  /** For messages. */
  pool: string
  /** Those whose removal was broken off too. @param image a name, or the id of one that waits in the trash @returns null when there is no such image */
  snapshots(image: ImageName): Promise<RbdSnapshot[] | null>
  /** @throws CodedError `CK-CAPTURE-LOST`, `CK-SOURCE-IMAGE-MISSING` */
  createSnapshot(image: string, name: string): Promise<RbdSnapshot>
  /** As fast as can be. @throws CodedError `CK-SNAPSHOT-EXISTS`, `CK-SOURCE-IMAGE-MISSING` */
  createNewSnapshot(image: string, name: string): Promise<void>
  /** @returns whether there was one */
  removeSnapshot(image: ImageName, snapshot: { name: string; id?: number }): Promise<boolean>
  metadata(image: string): Promise<Map<string, string>>
  setMetadata(image: string, key: string, value: string): Promise<void>
  removeMetadata(image: string, key: string): Promise<void>
  trash(): Promise<TrashedImage[]>
  /** @throws CodedError when neither the mover's user nor the one for the trash may delete data */
  removeFromTrash(image: { id: string }): Promise<void>
}

/** @param host Cinder's `host@backend#pool` @returns undefined where no source of kind rbd serves it */
export type FindVolumeImages = (host: string | null) => VolumeImages | undefined

/** Touches no storage: what is wrong shows when something is done. */
export function openVolumeImages(sources: SourcesOptions): FindVolumeImages {
  const entries = sources.map((options) => ({
    match: options.match,
    images: options.kind === 'rbd' ? volumeImages(options) : undefined,
  }))
  return (host) => (host === null ? undefined : entries.find(({ match }) => matchPattern(match, host))?.images)
}

function volumeImages(access: RbdSourceOptions): VolumeImages {
  return {
    pool: access.pool,
    snapshots: async (image) => {
      try {
        return await listAllRbdSnapshots(access, image)
      } catch (error) {
        if (error instanceof CodedError && error.code === 'CK-SOURCE-IMAGE-MISSING') return null
        throw error
      }
    },
    createSnapshot: async (image, name) => createRbdSnapshot(access, image, name),
    createNewSnapshot: async (image, name) => createNewRbdSnapshot(access, image, name),
    removeSnapshot: async (image, snapshot) => removeRbdSnapshot(access, image, snapshot),
    metadata: async (image) => listImageMeta(access, image),
    setMetadata: async (image, key, value) => setImageMeta(access, image, key, value),
    removeMetadata: async (image, key) => removeImageMeta(access, image, key),
    trash: async () => listTrash(access),
    removeFromTrash: async (image) => removeFromTrash(trashAccess(access), image),
  }
}

export function noImages(volumeId: string, host: string | null): CodedError {
  return new CodedError(
    'CK-SOURCE-NONE',
    `no source of kind rbd of this mover serves ${host ?? 'nowhere'}, where volume ${volumeId} lies`,
    { cure: 'Give all workers the same `sources`, and each mover the zone of its storage.' },
  )
}

/** Its keyring is its own, too: without one Ceph's defaults say where it lies. */
function trashAccess(access: RbdSourceOptions): RbdAccess {
  const { trash } = access
  return trash === undefined ? access : { ...access, user: trash.user, keyring: trash.keyring }
}
