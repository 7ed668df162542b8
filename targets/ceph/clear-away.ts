import type { Asking } from './asking.js'
import { removeSnapshot } from './copy-snapshots.js'
import type { ImageState } from './image-state.js'
import type { Writer } from './manifest.js'
import { isOfArchive, keyOf } from './names.js'
import { removeTree } from './tree-store.js'

/**
 * Removes what attempts without a manifest left on an image: RBD snapshots of this archive and of whoever wrote last, and
 * that one's tree.
 * @param what.keep the copy that is written now: its tree is written over, by whom ever
 */
export async function clearAway(
  asking: Asking,
  { image, snapshots, copies, unreadable }: ImageState,
  what: { archiveId: string; writer: Writer | null; keep: string | null },
): Promise<void> {
  const { writer, keep } = what
  // what such a manifest names cannot be known
  const isUnsure = (archiveId: string): boolean => unreadable.some(({ key }) => key.startsWith(`${archiveId}.`))
  const archives = new Set([what.archiveId, ...(writer === null ? [] : [writer.archiveId])])
  for (const { id, name, isGoing } of snapshots) {
    if (!isGoing && copies.some(({ manifest }) => manifest.copySnapshot.id === id)) continue
    if (![...archives].some((one) => isOfArchive(name, one) && !isUnsure(one))) continue
    await removeSnapshot(asking, image, { id })
  }
  if (writer === null || isUnsure(writer.archiveId)) return
  const key = keyOf(writer)
  if (key === keep || copies.some((one) => one.key === key)) return
  await removeTree(asking, key, writer.pieces)
}
