/**
 * Names of what lies in the pool. An image `ck-<volume id>-<first 8 hex of the project id>` holds the copies of one volume
 * of one owner, an RBD snapshot each; their records are image-meta of that image, and the hash trees are objects of their
 * own: what belongs to a volume is found without a list of the pool.
 */
import { createHash } from 'node:crypto'
import { CodedError } from '../../errors/coded-error.js'
import type { Capture } from '../target.js'

/** What tells a copy from all others: after a reset one archive can have had two captures. */
export interface CopyKey {
  archiveId: string
  /** The capture's `snapshotId`. */
  snapshotId: string
}

export function imageName({ volumeId, projectId }: { volumeId: string; projectId: string }): string {
  return `${imagePrefix(volumeId)}${ownerPart(projectId)}`
}

/** All images of one volume start with it, one for each owner that it has had. */
export function imagePrefix(volumeId: string): string {
  return `ck-${checked(volumeId)}-`
}

/** Keystone's ids are 32 hex digits, or UUIDs, or by configuration anything: of such a one its hash has 8. */
function ownerPart(projectId: string): string {
  const digits = projectId.replaceAll('-', '').slice(0, 8).toLowerCase()
  return /^[0-9a-f]{8}$/.test(digits) ? digits : createHash('sha256').update(projectId).digest('hex').slice(0, 8)
}

export function keyOf({ archiveId, snapshotId }: CopyKey): string {
  return `${checked(archiveId)}.${checked(snapshotId)}`
}

/**
 * The RBD snapshot of a copy: the capture's name, and what tells this attempt from every other one, so that no attempt
 * that was given up for dead can remove or replace what a later one made.
 */
export function snapshotNameOf({ snapshotName }: Pick<Capture, 'snapshotName'>, token: string): string {
  return `${checkedName(snapshotName)}.${token}`
}

/** Whether an RBD snapshot of our image was made for this archive: both makers' names have its id in them. */
export function isOfArchive(snapshotName: string, archiveId: string): boolean {
  return snapshotName.includes(checked(archiveId))
}

/** @param index of the piece of the tree, from 0 */
export function treeObject(key: string, index: number): string {
  return `ck-tree.${key}.${index}`
}

export const writerMeta = 'ck.writer'

export function manifestMeta(key: string): string {
  return `ck.${key}.manifest`
}

export function markMeta(key: string): string {
  return `ck.${key}.mark`
}

export const damageMeta = 'ck.damage'

export const missedMeta = 'ck.missed'

export function readingMeta(key: string): string {
  return `ck.${key}.reading`
}

/** Whether a record only says something of copies: without any copy it says nothing. */
export function isAboutCopies(meta: string): boolean {
  return meta === damageMeta || meta === missedMeta || /^ck\..+\.(mark|reading)$/.test(meta)
}

/** The keys of all manifests among an image's metadata. */
export function keysIn(meta: ReadonlyMap<string, string>): string[] {
  return [...meta.keys()].flatMap((name) => /^ck\.(.+)\.manifest$/.exec(name)?.[1] ?? [])
}

/** An id becomes part of an RBD name: one with `/`, `@` or a space in it would reach other objects. */
function checked(id: string): string {
  if (/^[A-Za-z0-9][A-Za-z0-9_-]{0,127}$/.test(id)) return id
  throw badName(id)
}

function checkedName(name: string): string {
  if (/^[A-Za-z0-9][A-Za-z0-9._-]{0,199}$/.test(name)) return name
  throw badName(name)
}

function badName(name: string): CodedError {
  return new CodedError('CK-SOURCE-ID', `"${name}" cannot be part of a name in Ceph`, {
    cure: 'Look at the volume in Cinder; nothing was read or written.',
  })
}
