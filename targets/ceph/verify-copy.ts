/** Reads a copy back from its RBD snapshot and compares it, leaf by leaf, with the tree that was made from the source. */
import { CodedError } from '../../errors/coded-error.js'
import { leafBytes, leafHashBytes, zeroLeafHash } from '../../source/hash-fold.js'
import { rootOfLeaves } from '../../source/root-of-leaves.js'
import type { Copy, CopyContext, Verification } from '../target.js'
import { withAsking, type Asking } from './asking.js'
import { findSnapshot, listSnapshots } from './copy-snapshots.js'
import { isProof, keepReading } from './evidence.js'
import { fence } from './fence.js'
import { flight } from './flight.js'
import { readImage, type ImageState, type StoredCopy } from './image-state.js'
import { extentOf, hashAt } from './leaves.js'
import type { Manifest } from './manifest.js'
import { isMissedLeaf, type OtherLeaf } from './missed-leaf.js'
import { keyOf } from './names.js'
import { openCopy, readLeaf, type OpenCopy } from './read-leaf.js'
import { openSeals, type Seals } from './seal.js'
import type { CephSetting } from './setting.js'
import { isTreeWhole, pieceReader, readPieces } from './tree-store.js'
import { unprovenLeaves } from './unproven-leaves.js'

export async function verifyCopy(setting: CephSetting, copy: Copy, context: CopyContext): Promise<Verification> {
  const seals = await openSeals(setting.options.macKey.file)
  return withAsking(setting, 'write', context.signal, async (asking) => verify(setting, asking, seals, copy, context))
}

async function verify(
  setting: CephSetting,
  asking: Asking,
  seals: Seals,
  copy: Copy,
  context: CopyContext,
): Promise<Verification> {
  const image = copy.ref['image'] ?? ''
  const look = async () => {
    const state = await readImage(asking, seals, image)
    return { state, stored: state?.copies.find(({ key }) => key === keyOf(copy)) }
  }
  context.report({ phase: 'looking at the copy' })
  let { state, stored } = await look()
  // one that was found damaged is not: what is wrong with it may lie where nothing was touched since its base
  const isFirst = stored?.mark.state === 'unverified' && copy.verifiedAt === null
  const writer = state?.writer ?? null
  if (isFirst && (writer === null || keyOf(writer) === keyOf(copy))) {
    // whoever wrote it may not have been dead: nobody writes to it any more from here on. Who writes the next one has
    // looked for that already, and is left alone
    await fence(asking, image, setting.log, { signal: context.signal, sparesLater: true })
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
  // what was verified before is read whole, without any object map, to find what time has done to it
  const base = isFirst ? await baseOf(asking, state, stored) : null
  const { verification, other } = await judged(manifest.rootHash, async () =>
    readBack(setting, asking, { stored, base, isFirst }, context),
  )
  // what a removal took away meanwhile is no damage
  const after = (await look()).stored
  if (after === undefined || after.mark.state === 'removing') return damaged(manifest.rootHash, 'it is being removed')
  if (manifest.installation === setting.installation) {
    const found = { state: verification.state, leaf: other?.index ?? null }
    const { copies } = state
    const isMissed = async () =>
      other !== null && isMissedLeaf(asking, { copies }, { manifest }, other, setting.pace.stallMs)
    await keepReading({ setting, asking, seals }, state, stored, found, isMissed)
  }
  if (manifest.hashedBytes === manifest.sizeBytes) return verification
  return { ...verification, hashedBytes: manifest.hashedBytes }
}

/** The copy whose bytes are shared, as long as it is itself a proven one. */
async function baseOf(asking: Asking, state: ImageState, { manifest }: StoredCopy): Promise<StoredCopy | null> {
  const { base } = manifest
  const found = state.copies.find(({ key }) => base !== null && key === keyOf(base))
  const isProven =
    found !== undefined &&
    isProof(state, found) &&
    found.manifest.copySnapshot.id === base?.copySnapshot.id &&
    found.manifest.pieceLeaves === manifest.pieceLeaves
  return isProven && (await isTreeWhole(asking, found)) ? found : null
}

interface Judgement {
  verification: Verification & { state: 'verified' | 'damaged' }
  /** The leaf that was other bytes or none, if that was what was wrong. */
  other: OtherLeaf | null
}

/** What is wrong with the copy is a verdict; what is wrong with the cluster is thrown. */
async function judged(rootHash: string, act: () => Promise<number>): Promise<Judgement> {
  try {
    const readBytes = await act()
    return { verification: { state: 'verified', rootHash, reason: null, readBytes }, other: null }
  } catch (error) {
    if (error instanceof Differs) {
      return { verification: damaged(rootHash, error.message, error.readBytes), other: error.other }
    }
    const isTree = error instanceof CodedError && error.code === 'CK-TREE-DAMAGED'
    if (isTree) return { verification: damaged(rootHash, error.message), other: null }
    throw error
  }
}

class Differs extends Error {
  readonly readBytes: number
  readonly other: OtherLeaf | null
  constructor(what: string, readBytes: number, other: OtherLeaf | null = null) {
    super(what)
    this.readBytes = readBytes
    this.other = other
  }
}

/** @returns how many bytes were read */
async function readBack(
  setting: CephSetting,
  asking: Asking,
  of: { stored: StoredCopy; base: StoredCopy | null; isFirst: boolean },
  context: CopyContext,
): Promise<number> {
  const { key, manifest } = of.stored
  const { hashedBytes, pieceLeaves, rootHash } = manifest
  const tree = pieceReader(asking, key)
  const treeRoot = await rootOfLeaves(hashedBytes, readPieces(tree, key, manifest))
  if (treeRoot !== rootHash) throw new Differs(`its hash tree has another root (${treeRoot}) than its manifest`, 0)
  await mustBeThere(asking, manifest, 0)
  const open = await openCopy(asking, manifest)
  if (open.size !== hashedBytes) throw new Differs(`it has ${open.size} bytes, not ${hashedBytes}`, 0)

  const { stallMs } = setting.pace
  const wholeObject = of.isFirst && manifest.wholeObject && open.flags === 0
  const unproven = await unprovenLeaves(asking, { ...of, tree, open, wholeObject, stallMs }, context)
  const reading: Reading = { asking, open: open.open, hashedBytes, stallMs, readBytes: 0 }
  let first = 0
  for await (const piece of readPieces(tree, key, manifest)) {
    await comparePiece(reading, { first, piece, unproven }, context)
    first += pieceLeaves
  }
  await mustBeThere(asking, manifest, reading.readBytes)
  return reading.readBytes
}

interface Reading extends OpenCopy {
  readBytes: number
}

async function comparePiece(
  reading: Reading,
  { first, piece, unproven }: { first: number; piece: Buffer; unproven: Uint8Array },
  context: CopyContext,
): Promise<void> {
  const { hashedBytes } = reading
  const moving = flight()
  try {
    for (let leaf = first; leaf < first + piece.length / leafHashBytes; leaf += 1) {
      if (unproven[leaf] !== 1) continue
      context.signal.throwIfAborted()
      const { length } = extentOf(leaf, hashedBytes)
      const wanted = hashAt(piece, leaf - first)
      // a hole is as good as zeros that were read
      const isLikelyHole = wanted.equals(zeroLeafHash(length))
      await moving.begin(async () => compareLeaf(reading, leaf, wanted, isLikelyHole))
      context.report({ phase: 'reading the copy back', doneBytes: leaf * leafBytes, totalBytes: hashedBytes })
      if (!isLikelyHole) await context.throttle?.(length)
    }
  } finally {
    await moving.land()
  }
}

async function compareLeaf(reading: Reading, leaf: number, wanted: Buffer, isLikelyHole: boolean): Promise<void> {
  const found = await readLeaf(reading, leaf, isLikelyHole)
  reading.readBytes += found?.readBytes ?? 0
  if (found !== null && wanted.equals(found.hash)) return
  const what = found === null ? 'cannot be read' : 'reads back as other bytes than the capture had'
  const other = { index: leaf, wanted: Buffer.from(wanted), isRead: found !== null }
  throw new Differs(`the block at ${leaf * leafBytes} ${what}`, reading.readBytes, other)
}

/** What is read by its name is this copy only as long as the RBD snapshot of this name is that of the manifest. */
async function mustBeThere(asking: Asking, { image, copySnapshot }: Manifest, readBytes: number): Promise<void> {
  const found = findSnapshot(await listSnapshots(asking, image), copySnapshot.name)
  if (found?.id !== copySnapshot.id) throw new Differs(`its RBD snapshot ${copySnapshot.name} is gone`, readBytes)
}

function damaged(rootHash: string | null, reason: string, readBytes = 0): Judgement['verification'] {
  return { state: 'damaged', rootHash, reason, readBytes }
}
