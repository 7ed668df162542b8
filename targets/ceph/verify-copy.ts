/** Reads a copy back from its RBD snapshot and compares it, leaf by leaf, with the tree that was made from the source. */
import { CodedError } from '../../errors/coded-error.js'
import { leafBytes } from '../../source/hash-fold.js'
import { openRbdObject } from '../../source/rbd-object.js'
import { leafCount, rootOfLeaves } from '../../source/root-of-leaves.js'
import type { OpenBytes } from '../../source/source.js'
import type { Copy, CopyContext, Verification } from '../target.js'
import type { Asking } from './commands.js'
import { fence } from './fence.js'
import { readImage, type StoredCopy } from './image-state.js'
import { bytesOf, extentOf, hashAt, hashOfLeaf, isWhole, leavesOf } from './leaves.js'
import { keyOf } from './names.js'
import { openSeals } from './seal.js'
import { accessOf, type CephSetting } from './setting.js'
import { pieceReader, readPieces } from './tree-store.js'
import { unprovenLeaves } from './unproven-leaves.js'

export async function verifyCopy(setting: CephSetting, copy: Copy, context: CopyContext): Promise<Verification> {
  const seals = await openSeals(setting.options.macKey.file)
  const asking: Asking = {
    access: accessOf(setting, 'write'),
    signal: context.signal,
    timeoutMs: setting.pace.commandMs,
  }
  const image = copy.ref['image'] ?? ''
  const look = async () => {
    const state = await readImage(asking, seals, image)
    return { state, stored: state?.copies.find(({ key }) => key === keyOf(copy)) }
  }
  context.report({ phase: 'looking at the copy' })
  let { state, stored } = await look()
  const isFirst = stored !== undefined && stored.mark.verifiedAt === null && copy.verifiedAt === null
  if (isFirst) {
    // whoever wrote it may not have been dead: nobody writes to it any more from here on
    await fence(asking, image, setting.log)
    ;({ state, stored } = await look())
  }
  if (state === null) return damaged(copy.rootHash, `the image ${image} is gone`)
  if (stored === undefined) {
    const why = state.unreadable.find(({ key }) => key === keyOf(copy))?.why
    return damaged(copy.rootHash, why ?? `the image ${image} has no manifest of it`)
  }
  const { manifest, mark } = stored
  if (mark.state === 'removing') return damaged(manifest.rootHash, 'it is being removed')
  if (copy.rootHash !== null && copy.rootHash !== manifest.rootHash) {
    return damaged(copy.rootHash, `its manifest has another hash (${manifest.rootHash}) than it was known by`)
  }
  // what was verified before is read whole, to find what time has done to it
  const base = isFirst ? baseOf(state.copies, stored) : null
  const verification = await judged(manifest.rootHash, async () => readBack(asking, stored, base, context))
  if (manifest.hashedBytes === manifest.sizeBytes) return verification
  return { ...verification, hashedBytes: manifest.hashedBytes }
}

/** The copy whose bytes are shared, as long as it is itself a proven one. */
function baseOf(copies: StoredCopy[], { manifest }: StoredCopy): StoredCopy | null {
  const { base } = manifest
  if (base === null) return null
  const found = copies.find(({ key }) => key === keyOf(base))
  const isProven =
    found?.isThere === true &&
    found.mark.state === 'verified' &&
    found.manifest.copySnapshot.id === base.copySnapshot.id &&
    found.manifest.pieceLeaves === manifest.pieceLeaves
  return isProven ? found : null
}

/** What is wrong with the copy is a verdict; what is wrong with the cluster is thrown. */
async function judged(rootHash: string, act: () => Promise<number>): Promise<Verification> {
  try {
    return { state: 'verified', rootHash, reason: null, readBytes: await act() }
  } catch (error) {
    if (error instanceof Differs) return damaged(rootHash, error.message, error.readBytes)
    // of the copy's RBD snapshot, not of the source's
    const isLost = error instanceof CodedError && ['CK-CAPTURE-LOST', 'CK-TREE-DAMAGED'].includes(error.code)
    if (isLost) return damaged(rootHash, error.message)
    throw error
  }
}

class Differs extends Error {
  readonly readBytes: number
  constructor(what: string, readBytes: number) {
    super(what)
    this.readBytes = readBytes
  }
}

/** @returns how many bytes were read that were not zero */
async function readBack(
  asking: Asking,
  stored: StoredCopy,
  base: StoredCopy | null,
  context: CopyContext,
): Promise<number> {
  const { key, manifest } = stored
  const { image, copySnapshot, hashedBytes, pieces, rootHash } = manifest
  const tree = pieceReader(asking, key)
  const treeRoot = await rootOfLeaves(hashedBytes, readPieces(tree, key, pieces)).catch((error: unknown) => {
    if (error instanceof CodedError && error.code === 'CK-SOURCE-ORDER') throw new Differs(error.message, 0)
    throw error
  })
  if (treeRoot !== rootHash) throw new Differs(`its hash tree has another root (${treeRoot}) than its manifest`, 0)
  const bytes = await openRbdObject(asking.access, { image, snapshot: copySnapshot.name }, copySnapshot.id)
  if (bytes.sizeBytes !== hashedBytes) throw new Differs(`it has ${bytes.sizeBytes} bytes, not ${hashedBytes}`, 0)

  const unproven = await unprovenLeaves(asking, { stored, tree, base }, context)
  let readBytes = 0
  let index = 0
  for await (const piece of readPieces(tree, key, pieces)) {
    readBytes += await comparePiece(bytes, { manifest, index, piece, unproven, readBytes }, context)
    index += 1
  }
  await bytes.confirm()
  return readBytes
}

async function comparePiece(
  bytes: OpenBytes,
  part: Pick<StoredCopy, 'manifest'> & { index: number; piece: Buffer; unproven: Uint8Array; readBytes: number },
  context: CopyContext,
): Promise<number> {
  const { manifest, index, piece, unproven } = part
  const { hashedBytes, pieceLeaves } = manifest
  const first = index * pieceLeaves
  const wanted: number[] = []
  for (let leaf = first; leaf < Math.min(first + pieceLeaves, leafCount(hashedBytes)); leaf += 1) {
    if (unproven[leaf] === 1) wanted.push(leaf)
  }
  if (wanted.length === 0) return 0
  let readBytes = 0
  const ranges = wanted.map((leaf) => extentOf(leaf, hashedBytes))
  for await (const leaf of leavesOf(bytes.readRanges(ranges, context.signal))) {
    const moved = bytesOf(leaf)
    readBytes += moved
    const isSame = isWhole(leaf, hashedBytes) && hashOfLeaf(leaf, hashedBytes).equals(hashAt(piece, leaf.index - first))
    if (leaf.index !== wanted.shift() || !isSame) {
      const place = leaf.index * leafBytes
      throw new Differs(
        `the block at ${place} reads back as other bytes than the capture had`,
        part.readBytes + readBytes,
      )
    }
    context.report({ phase: 'reading the copy back', doneBytes: leaf.index * leafBytes, totalBytes: hashedBytes })
    await context.throttle?.(moved)
  }
  if (wanted.length > 0) throw new Differs(`the block at ${(wanted[0] ?? 0) * leafBytes} could not be read`, readBytes)
  return readBytes
}

function damaged(rootHash: string | null, reason: string, readBytes = 0): Verification {
  return { state: 'damaged', rootHash, reason, readBytes }
}
