/** Stores a capture as an RBD snapshot of the volume's image in the pool. Write order: data and tree, RBD snapshot, manifest. */
import { randomBytes } from 'node:crypto'
import { CodedError } from '../../errors/coded-error.js'
import { rootOfLeaves } from '../../source/root-of-leaves.js'
import type { Capture, Copy, CopyContext, WrittenCopy } from '../target.js'
import { ask, withAsking } from './asking.js'
import { locateCapture, openCapture } from './capture-source.js'
import { clearAway } from './clear-away.js'
import { findSnapshot, listSnapshots } from './copy-snapshots.js'
import { isProof } from './evidence.js'
import { explainFull } from './explain-full.js'
import { fence } from './fence.js'
import { createImage, type Head } from './head.js'
import { readImage, unmarked, type ImageState, type StoredCopy } from './image-state.js'
import { manifestOf } from './manifest-of.js'
import { imageName, keyOf, manifestMeta, snapshotNameOf } from './names.js'
import { mustBeOtherCluster } from './same-cluster.js'
import { openSeals } from './seal.js'
import type { CephSetting } from './setting.js'
import { keepMissed, renewMissed, withSuspects } from './suspects.js'
import { toCopy } from './to-copy.js'
import { isTreeWhole, pieceReader, piecesOf, readPieces } from './tree-store.js'
import { Inherited, writeChanges } from './write-changes.js'
import type { Finish, WriteJob, Written } from './write-job.js'
import { writeWhole } from './write-whole.js'
import { forgetWriter, keepWriter, mustBeWriter } from './writer-record.js'

/** @throws CodedError `CK-CAPTURE-LOST`, `CK-SAME-CLUSTER`, `CK-TARGET-…`, `CK-WRITER-REPLACED`, `CK-SOURCE-…` */
export async function writeCopy(setting: CephSetting, capture: Capture, context: CopyContext): Promise<WrittenCopy> {
  const seals = await openSeals(setting.options.macKey.file)
  return withAsking(setting, 'write', context.signal, async (asking) => {
    context.report({ phase: 'looking at the target' })
    const image = imageName(capture.volume)
    const found = await readImage(asking, seals, image)
    const done = copyOf(found, capture)
    if (found !== null && done !== undefined) {
      // killed just after the manifest
      if (found.writer !== null && keyOf(found.writer) === done.key) await forgetWriter(asking, image)
      return withSuspects(setting, toCopy(setting, done), found)
    }
    try {
      const job = await prepare({ setting, seals, asking, capture, context, image }, found)
      // another attempt got there before it was shut out
      const meanwhile = copyOf(job.state, capture)
      if (meanwhile === undefined) return withSuspects(setting, await write(job), job.state)
      await forgetWriter(asking, image)
      return withSuspects(setting, toCopy(setting, meanwhile), job.state)
    } catch (error) {
      throw await explainFull(setting, error)
    }
  })
}

function copyOf(state: ImageState | null, capture: Capture): StoredCopy | undefined {
  const key = keyOf(capture)
  return state?.copies.find((one) => one.key === key && one.isThere && one.mark.state !== 'removing')
}

/** Opens the capture, and makes sure that nobody else writes to the image and that nothing of others is left on it. */
async function prepare(
  given: Pick<WriteJob, 'setting' | 'seals' | 'asking' | 'capture' | 'context' | 'image'>,
  found: ImageState | null,
): Promise<WriteJob> {
  const { setting, seals, asking, capture, context, image } = given
  const key = keyOf(capture)
  const place = locateCapture(setting, capture)
  const [source] = await Promise.all([openCapture(asking, place), mustBeOtherCluster(setting, asking, place.access)])
  const sizeBytes = source.open.size
  // it grows when it is known to hold nothing: shrinking one first would go through all of it
  if (found === null) await createImage(asking, image, 0)
  const token = randomBytes(6).toString('hex')
  const part = partOf(setting, found, key, sizeBytes)
  await fence(asking, image, setting.log, { signal: context.signal })
  const { archiveId } = capture
  // before the record is ours: nothing else names what its last writer left
  if (found !== null) await clearAway(asking, found, { archiveId, writer: found.writer, keep: key })
  // whoever opens the image from now on learns from the record that another attempt writes
  const writer = { ...writerOf(setting, capture, token, sizeBytes), part }
  await keepWriter(asking, seals, image, writer)
  // and who opened it in between, before the record was there, is shut out as well
  await fence(asking, image, setting.log, { signal: context.signal })
  const state = await readImage(asking, seals, image)
  if (state === null) throw imageRemoved(image)
  await clearAway(asking, state, { archiveId, writer: found?.writer ?? null, keep: key })
  const mustStillWrite = async () => mustBeWriter(asking, seals, image, token)
  return {
    ...given,
    source,
    key,
    token,
    snapshotName: snapshotNameOf(capture, token),
    state,
    sizeBytes,
    part,
    mustStillWrite,
    keepPart: async (next) => {
      await mustStillWrite()
      await keepWriter(asking, seals, image, { ...writer, part: next })
    },
  }
}

function writerOf({ pace }: CephSetting, { archiveId, snapshotId }: Capture, token: string, sizeBytes: number) {
  return { archiveId, snapshotId, token, pieces: piecesOf(sizeBytes, pace.pieceLeaves), part: null }
}

/** How far an earlier attempt at the same copy came. */
function partOf({ pace }: CephSetting, state: ImageState | null, key: string, sizeBytes: number): WriteJob['part'] {
  const writer = state?.writer ?? null
  if (writer === null || keyOf(writer) !== key || writer.part === null) return null
  const { part } = writer
  return part.hashedBytes === sizeBytes && part.pieceLeaves === pace.pieceLeaves ? part : null
}

function imageRemoved(image: string): CodedError {
  return new CodedError('CK-WRITER-REPLACED', `${image} was removed while it was to be written`, {
    cure: 'Nothing: it is tried again.',
  })
}

async function write(job: WriteJob): Promise<Copy> {
  const { setting, capture, context, image, state, part } = job
  await renewMissed(job)
  await doubtBases(job)
  const finish: Finish = async (head, written) => {
    await makeSnapshot(job, head)
    return commit(job, head, written)
  }
  if (part !== null) {
    const against = await findAgainst(job)
    if (part.against === (against?.key ?? null)) return writeWhole(job, { against, part }, finish)
    await job.keepPart(null)
  }
  const good = capture.maker === 'rbd' ? goodCopies(job).filter((one) => isBase(one, state)) : []
  for (const base of good.slice(0, 3)) {
    try {
      return await writeChanges(job, base, finish)
    } catch (error) {
      if (!(error instanceof CodedError) || !readsWholeAfter.has(error.code)) throw error
      setting.log.warn({ code: error.code, image, base: base.manifest.point, err: error }, error.message)
      if (!(error instanceof Inherited)) continue
      await keepMissed(job, base, error.message)
      context.report({ phase: 'a block was missed: reading everything' })
      break
    }
  }
  return writeWhole(job, { against: await findAgainst(job), part: null }, finish)
}

/**
 * What was written upon a copy and reads back as something else tells of a difference that left something out: now, or when
 * that copy was made.
 */
async function doubtBases(job: WriteJob): Promise<void> {
  const { copies } = job.state
  for (const { manifest } of copies.filter(isMissedChange)) {
    const { base } = manifest
    const doubted = copies.find(({ key }) => base !== null && key === keyOf(base))
    if (doubted !== undefined) await keepMissed(job, doubted, `${manifest.point}, built upon it, is damaged`)
  }
}

/** One that was verified once had what was written: what is found wrong since then came with time. */
function isMissedChange({ mark, reading }: StoredCopy): boolean {
  return reading?.isMissed === true && mark.wasVerified !== true
}

/** Differences of the source are believed as long as none is known to have left something out. */
function isBase({ manifest }: StoredCopy, { copies, missed }: ImageState): boolean {
  const wrong = [...missed, ...copies.filter(isMissedChange).map((one) => one.manifest)]
  return manifest.maker === 'rbd' && wrong.every(({ lineage }) => lineage !== manifest.lineage)
}

async function makeSnapshot(job: WriteJob, head: Head): Promise<void> {
  const { asking, context, image, snapshotName, sizeBytes } = job
  context.report({ phase: 'finishing the copy', doneBytes: sizeBytes, totalBytes: sizeBytes })
  await job.mustStillWrite()
  await ask(asking, 'createSnapshot', { at: head, name: snapshotName }, { image })
}

const readsWholeAfter = new Set<string>(['CK-SOURCE-BASE-LOST', 'CK-TREE-DAMAGED', 'CK-COPY-INHERITED'])

/** Copies whose bytes on the target are known, the newest first. */
function goodCopies({ state, key, setting }: WriteJob): StoredCopy[] {
  return state.copies
    .filter((one) => one.key !== key && isProof(state, one))
    .filter(({ manifest }) => manifest.pieceLeaves === setting.pace.pieceLeaves)
    .reverse()
}

/** The newest of these whose tree can be believed. */
async function findAgainst(job: WriteJob): Promise<StoredCopy | null> {
  for (const one of goodCopies(job)) if (await isTreeWhole(job.asking, one)) return one
  return null
}

/** The manifest makes a copy of what was written. */
async function commit(job: WriteJob, head: Head, written: Written): Promise<Copy> {
  const { setting, asking, seals, image, key, sizeBytes, snapshotName } = job
  const { pieceLeaves } = setting.pace
  // as it lies there: what cannot be read back is not counted upon
  const rootHash = await rootOfLeaves(
    sizeBytes,
    readPieces(pieceReader(asking, key), key, { hashedBytes: sizeBytes, pieceLeaves }),
  )
  const made = findSnapshot(await listSnapshots(asking, image), snapshotName)
  if (made === undefined) {
    throw new CodedError('CK-TARGET-SNAPSHOT', `${image}@${snapshotName} was made, and does not exist`, {
      cure: 'It is tried again; look who removes RBD snapshots from the pool.',
    })
  }
  const manifest = manifestOf(job, written, { name: made.name, id: made.id }, rootHash)
  await job.mustStillWrite()
  // with the head open: an attempt that takes over now shuts this one out
  const given = { at: head, key: manifestMeta(key), value: seals.seal('manifest', image, manifest) }
  await ask(asking, 'setMeta', given, { image })
  await forgetWriter(asking, image)
  return toCopy(setting, { key, manifest, mark: unmarked(manifest), reading: null, isThere: true, missed: null })
}
