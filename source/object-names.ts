import { CodedError } from '../errors/coded-error.js'
import type { BytesRef, VolumePlace } from './source.js'

/** How Cinder names a volume on its backend (`volume_name_template`, unchanged). */
export function volumeObject({ volumeId, nameId }: VolumePlace): string {
  return `volume-${checkedId(nameId ?? volumeId)}`
}

/** How Cinder names a snapshot on its backend (`snapshot_name_template`), or null for the volume itself. */
export function snapshotObject({ snapshotId }: BytesRef): string | null {
  return snapshotId === null ? null : `snapshot-${checkedId(snapshotId)}`
}

/** An id becomes part of a path or an RBD name: one with `/`, `@` or `..` in it would reach other objects. */
function checkedId(id: string): string {
  if (!/^[A-Za-z0-9][A-Za-z0-9_-]*$/.test(id)) {
    throw new CodedError('CK-SOURCE-ID', `"${id}" is not an id that Cinder gives`, {
      cure: 'Look at the volume in Cinder; nothing was read.',
    })
  }
  return id
}
