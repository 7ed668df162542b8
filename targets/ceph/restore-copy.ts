/** Writes a copy somewhere, every leaf compared with its hash before it is written. */
import { CodedError } from '../../errors/coded-error.js'
import { leafBytes } from '../../source/hash-fold.js'
import { openRbdObject } from '../../source/rbd-object.js'
import { leafCount, rootOfLeaves } from '../../source/root-of-leaves.js'
import type { Copy, CopyContext, Destination } from '../target.js'
import { withAsking, type Asking } from './asking.js'
import type { StoredCopy } from './image-state.js'
import { extentOf, hashAt, hashOfLeaf, leavesOf, type Leaf } from './leaves.js'
import { findCopy } from './mark-copy.js'
import { peekable } from './peekable.js'
import { openSink } from './restore-sinks.js'
import { openSeals } from './seal.js'
import type { CephSetting } from './setting.js'
import { pieceReader, readPieces } from './tree-store.js'

/** @throws CodedError `CK-COPY-GONE`, `CK-COPY-DAMAGED`, `CK-RESTORE-DESTINATION`, `CK-TREE-DAMAGED`, `CK-SOURCE-…` */
export async function restoreCopy(
  setting: CephSetting,
  copy: Copy,
  destination: Destination,
  context: CopyContext,
): Promise<void> {
  const seals = await openSeals(setting.options.macKey.file)
  return withAsking(setting, 'write', context.signal, async (asking) =>
    restore(setting, asking, await findCopy(setting, asking, seals, copy), destination, context),
  )
}

async function restore(
  setting: CephSetting,
  asking: Asking,
  stored: StoredCopy,
  destination: Destination,
  context: CopyContext,
): Promise<void> {
  const { key, manifest } = stored
  const { image, copySnapshot, hashedBytes, rootHash } = manifest
  const tree = pieceReader(asking, key)
  if ((await rootOfLeaves(hashedBytes, readPieces(tree, key, manifest))) !== rootHash) {
    throw damaged(stored, 'its hash tree is another one than its manifest says')
  }
  const bytes = await openRbdObject(asking.access, { image, snapshot: copySnapshot.name }, copySnapshot.id)
  const sink = await openSink(destination, hashedBytes, {
    hands: asking.hands,
    signal: context.signal,
    stallMs: setting.pace.stallMs,
  })
  const leaves = peekable(leavesOf(bytes.read(context.signal)))
  try {
    let index = 0
    for await (const piece of readPieces(tree, key, manifest)) {
      const first = index
      for (; index < Math.min(leafCount(hashedBytes), first + manifest.pieceLeaves); index += 1) {
        const next = await leaves.peek()
        const leaf: Leaf = next?.index === index ? next : { index, runs: [] }
        if (leaf === next) leaves.take()
        if (!hashOfLeaf(leaf, hashedBytes).equals(hashAt(piece, index - first))) {
          throw damaged(stored, `the block at ${index * leafBytes} reads back as other bytes than the capture had`)
        }
        await sink.leaf(leaf, extentOf(index, hashedBytes))
        if (leaf === next) {
          context.report({ phase: 'restoring', doneBytes: index * leafBytes, totalBytes: hashedBytes })
          await context.throttle?.(leafBytes)
        }
      }
    }
    await bytes.confirm()
    await sink.finish()
  } finally {
    await leaves.close()
    await sink.close()
  }
}

function damaged({ manifest }: StoredCopy, what: string): CodedError {
  return new CodedError('CK-COPY-DAMAGED', `the copy ${manifest.point} in ${manifest.image} is damaged: ${what}`, {
    cure: 'Restore from another copy of this point, or from another point; what was written so far is not whole.',
  })
}
