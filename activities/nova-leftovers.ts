import type { Cinder, Snapshot } from '../openstack/cinder.js'
import { snapshotsOfImage, type Glance, type Image } from '../openstack/glance.js'
import type { Nova } from '../openstack/nova.js'
import type { Log } from '../log/log.js'
import type { CopyContext } from '../targets/target.js'
import { findCaptures } from './find-captures.js'
import { removeSnapshot } from './release-cinder-capture.js'

/** What Nova's way needs. */
export interface NovaDeps {
  installation: string
  cinder: Cinder
  nova: Nova
  glance: Glance
  log: Log
  /**
   * For how long a request whose answer was lost is given to show what it made, milliseconds. Nova waits a minute for
   * the freeze, and takes seconds for the rest. Default 90,000.
   */
  patienceMs?: number
  /**
   * For how long a snapshot that Nova asked for may be `creating`, milliseconds. Until all are something else Nova thaws
   * nobody (compute/manager.py, `unquiesce_instance`), so it is set to `error` then. Default 60,000.
   */
  stuckMs?: number
}

export const patienceOf = ({ patienceMs }: NovaDeps): number => patienceMs ?? 90_000
export const stuckAfter = ({ stuckMs }: NovaDeps): number => stuckMs ?? 60_000

/** One volume of a capture by Nova, and the archive that it is for. */
export interface NovaVolume {
  volumeId: string
  archiveId: string
}

/** What an image's name leads to. */
export interface NovaWork {
  /** Our images of that name, oldest first. Each is the proof that one `createImage` came to its end. */
  images: Image[]
  /** Nova's snapshots that nobody has renamed yet, of whatever volume, oldest first. */
  loose: Snapshot[]
  /** Those that were renamed to captures: of the volumes that were asked about. */
  adopted: (Snapshot & { archiveId: string })[]
}

/** Properties of our images; a tenant's image of the same name has none of them. */
export const imageMarks = (installation: string, archive: string): Record<string, string> => ({
  'ck:installation': installation,
  'ck:archive': archive,
  'ck:purpose': 'capture',
})

/** Nova's own pattern (compute/api.py). */
const looseName = (imageName: string): string => `snapshot for ${imageName}`

/** Finds by name alone: what was made by a request whose answer was lost has no id that anybody knows. */
export async function findNovaWork(
  { cinder, glance, installation }: NovaDeps,
  imageName: string,
  volumes: NovaVolume[],
): Promise<NovaWork> {
  const images = (await glance.ownImages(imageName)).filter(
    ({ properties }) => properties['ck:installation'] === installation,
  )
  const loose: Snapshot[] = []
  for await (const snapshot of cinder.listSnapshots({ name: looseName(imageName), allProjects: true }))
    loose.push(snapshot)
  const adopted: NovaWork['adopted'] = []
  for (const volume of volumes) {
    for (const snapshot of await findCaptures({ cinder, installation }, volume)) {
      if (snapshot.metadata['ck:nova'] === imageName) adopted.push({ ...snapshot, archiveId: volume.archiveId })
    }
  }
  return { images, loose: loose.sort((a, b) => a.createdAt.localeCompare(b.createdAt)), adopted }
}

/** The snapshots that an image stands for, those that still exist. */
export function madeWith(image: Image, { loose, adopted }: NovaWork): Snapshot[] {
  const ids = snapshotsOfImage(image) ?? []
  return [...loose, ...adopted].filter(({ id }) => ids.includes(id))
}

/** Snapshots first: as long as the image is there, a next attempt finds out what they are. */
export async function removeNovaWork(
  deps: NovaDeps,
  { images, loose, adopted }: NovaWork,
  context: CopyContext,
): Promise<void> {
  // at the same time: while one of them is being made, the guest is frozen
  await Promise.all([...loose, ...adopted].map(async ({ id }) => removeSnapshot(deps, id, context, stuckAfter(deps))))
  for (const { id } of images) await deps.glance.deleteImage(id)
}
