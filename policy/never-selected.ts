import type { VolumeFacts } from './policy.js'

/** The metadata key that everything we make in Cinder carries; its value is the installation that made it. */
export const ownMark = 'ck:installation'
/** The id of the volume that the marks are about: a restore writes them, with all metadata, onto another one. */
const selfMark = 'ck:self'

const uuid = '[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}'
const ownName = new RegExp(`^ck-${uuid}(-|$)`, 'i')
const imageName = new RegExp(`^image-${uuid}$`, 'i')

/**
 * Why no policy may ever protect this volume, as a sentence, or null when one may (design section 9): archiving what
 * archiving itself makes would never end.
 * @param internalProjectId the project that owns Cinder's image cache (`cinder_internal_tenant_project_id`), where known
 */
export function neverSelected(volume: VolumeFacts, installation: string, internalProjectId?: string): string | null {
  const mark = volume.metadata[ownMark]
  const isRestored = (volume.metadata[selfMark] ?? volume.id) !== volume.id
  if (mark !== undefined && !isRestored) {
    return mark === installation
      ? 'It is a temporary volume of this installation.'
      : 'It is a temporary volume of another Cinderkeep installation.'
  }
  // a second net: metadata can be lost, a name that holds an archive's id is not written by chance (but by Cinder's restore)
  if (ownName.test(volume.name) && !(isRestored && volume.name.endsWith('-temp'))) {
    return 'Its name is that of a temporary volume of Cinderkeep; rename it if you restored it by hand.'
  }
  if (volume.name.startsWith('backup-vol-')) return "It is the temporary clone of one of Cinder's own backups."
  if (internalProjectId !== undefined && volume.projectId === internalProjectId) {
    return "It belongs to the cloud's internal project."
  }
  if (volume.metadata['glance_image_id'] !== undefined && imageName.test(volume.name)) {
    return "It is an entry of Cinder's image cache, or an image that Glance keeps in Cinder."
  }
  return migrationLeftover(volume.migrationStatus)
}

/**
 * A migration has two rows: the tenant's own volume (`starting`, `migrating`, `completing`, then `success` or `error`),
 * which stays protected, and the one it is copied to (`target:<id of the first>`), which turns to `deleting`.
 */
function migrationLeftover(status: string | null): string | null {
  if (status === null) return null
  if (status.startsWith('target:')) return `It is the destination of a migration of volume ${status.slice(7)}.`
  return status === 'deleting' ? 'It is what a finished migration left, and about to be deleted.' : null
}
