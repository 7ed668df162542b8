/** Stores a capture as an RBD snapshot of the volume's image in the pool. Write order: data and tree, RBD snapshot, manifest. */
import { randomBytes } from 'node:crypto'
import { CodedError } from '../../errors/coded-error.js'
import { rootOfLeaves } from '../../source/root-of-leaves.js'
import type { OpenBytes, Source } from '../../source/source.js'
import type { Capture, Copy, CopyContext } from '../target.js'
import { clearAway } from './clear-away.js'
import { fence } from './fence.js'
import { createImage } from './head.js'
import { readImage, type ImageState, type StoredCopy } from './image-state.js'
import { setMeta } from './image-meta.js'
import { manifestOf } from './manifest-of.js'
import { imageName, keyOf, manifestMeta, snapshotNameOf } from './names.js'
import { mustBeOtherCluster } from './same-cluster.js'
import { openSeals, type Seals } from './seal.js'
import { accessOf, type CephSetting } from './setting.js'
import { markSuspects } from './suspects.js'
import { toCopy } from './to-copy.js'
import { piecesOf, readPieces } from './tree-store.js'
import { Inherited, writeChanges } from './write-changes.js'
import type { WriteJob, Written } from './write-job.js'
import { writeWhole } from './write-whole.js'
import { forgetWriter, keepWriter, mustBeWriter } from './writer-record.js'
import type { Asking } from './commands.js'

/** @throws CodedError `CK-CAPTURE-LOST`, `CK-SAME-CLUSTER`, `CK-TARGET-…`, `CK-WRITER-REPLACED`, `CK-SOURCE-…` */
export async function writeCopy(setting: CephSetting, capture: Capture, context: CopyContext): Promise<Copy> {
  const seals = await openSeals(setting.options.macKey.file)
  const asking: Asking = {
    access: accessOf(setting, 'write'),
    signal: context.signal,
    timeoutMs: setting.pace.commandMs,
  }
  const image = imageName(capture.volume)
  const key = keyOf(capture)
  context.report({ phase: 'looking at the target' })
  const found = await readImage(asking, seals, image)
  const done = found?.copies.find((one) => one.key === key)
  if (done?.isThere === true && done.mark.state !== 'removing') {
    // killed just after the manifest
    if (found?.writer != null && keyOf(found.writer) === key) await forgetWriter(asking, image)
    return toCopy(setting, done)
  }

  const source = sourceOf(setting, capture)
  await mustBeOtherCluster(setting, asking, source)
  const { sizeBytes } = await openCapture(source, capture)
  if (found === null) await createImage(asking, image, sizeBytes)
  const token = randomBytes(6).toString('hex')
  const state = await takeOver(setting, asking, seals, image, { capture, key, token, sizeBytes })
  const job: WriteJob = {
    setting,
    seals,
    asking,
    capture,
    context,
    image,
    key,
    token,
    snapshotName: snapshotNameOf(capture, token),
    state,
    sizeBytes,
    part: partOf(state, key),
    open: async () => openCapture(source, capture),
    mustStillWrite: async () => mustBeWriter(asking, seals, image, token),
    keepPart: async (part) => {
      await mustBeWriter(asking, seals, image, token)
      await keepWriter(asking, seals, image, { ...writerOf(setting, capture, token, sizeBytes), part })
    },
  }
  const written = await write(job)
  return commit(job, written)
}

function sourceOf({ sources }: CephSetting, { volume }: Capture): Source {
  const source = sources.find(volume.host)
  if (source !== undefined) return source
  throw new CodedError(
    'CK-SOURCE-NONE',
    `no source reaches ${volume.host ?? 'the host'} of the volume ${volume.volumeId}`,
    {
      cure: 'Add it to sources[] of cinderkeep.yaml on the movers: a target of kind ceph reads volumes itself.',
    },
  )
}

async function openCapture(source: Source, capture: Capture): Promise<OpenBytes> {
  const { volumeId, host, nameId } = capture.volume
  const rbd = capture.maker === 'rbd'
  return source.open({
    volumeId,
    host,
    nameId,
    snapshotId: rbd ? null : capture.snapshotId,
    ...(rbd && { rbdSnapshot: { name: capture.snapshotName, id: Number(capture.snapshotId) } }),
  })
}

function writerOf({ pace }: CephSetting, { archiveId, snapshotId }: Capture, token: string, sizeBytes: number) {
  return { archiveId, snapshotId, token, pieces: piecesOf(sizeBytes, pace.pieceLeaves), part: null }
}

function partOf({ writer }: ImageState, key: string): WriteJob['part'] {
  return writer !== null && keyOf(writer) === key ? writer.part : null
}

/** From here on nobody else writes to the image, and what others left half done is gone. */
async function takeOver(
  setting: CephSetting,
  asking: Asking,
  seals: Seals,
  image: string,
  { capture, key, token, sizeBytes }: { capture: Capture; key: string; token: string; sizeBytes: number },
): Promise<ImageState> {
  await fence(asking, image, setting.log)
  const before = await readImage(asking, seals, image)
  const part = before === null ? null : partOf(before, key)
  // first the record: whoever was not caught by the fence learns from it
  await keepWriter(asking, seals, image, { ...writerOf(setting, capture, token, sizeBytes), part })
  const state = await readImage(asking, seals, image)
  if (state === null) {
    throw new CodedError('CK-WRITER-REPLACED', `${image} was removed while it was to be written`, {
      cure: 'Nothing: it is tried again.',
    })
  }
  await clearAway(asking, state, {
    archiveId: capture.archiveId,
    writer: before?.writer ?? null,
    keep: part === null ? null : key,
  })
  return { ...state, writer: before?.writer ?? null }
}

async function write(job: WriteJob): Promise<Written> {
  const { asking, seals, setting, capture, context, image } = job
  const good = goodCopies(job)
  const against = good[0] ?? null
  if (job.part !== null && job.part.against === (against?.key ?? null)) return writeWhole(job, against)
  // the head will be another one than it was left as
  job.part = null
  await keepWriter(asking, seals, image, writerOf(setting, capture, job.token, job.sizeBytes))
  if (capture.maker === 'rbd') {
    for (const base of good.filter(({ manifest }) => manifest.maker === 'rbd').slice(0, 3)) {
      try {
        return await writeChanges(job, base)
      } catch (error) {
        if (error instanceof Inherited) {
          setting.log.error({ code: error.code, image, err: error }, error.message)
          await markSuspects(job, base, error.message)
          context.report({ phase: 'a block was missed: reading everything' })
          return writeWhole(job, against)
        }
        if (!(error instanceof CodedError) || !['CK-SOURCE-BASE-LOST', 'CK-TREE-DAMAGED'].includes(error.code))
          throw error
        setting.log.info({ code: error.code, image, base: base.manifest.point }, error.message)
      }
    }
  }
  return writeWhole(job, against)
}

/** Copies whose bytes on the target are known, the newest first. */
function goodCopies({ state, key, setting }: WriteJob): StoredCopy[] {
  return state.copies
    .filter((one) => one.key !== key && one.isThere && one.mark.state === 'verified')
    .filter(({ manifest }) => manifest.pieceLeaves === setting.pace.pieceLeaves)
    .reverse()
}

/** The manifest makes a copy of what was written. */
async function commit(job: WriteJob, written: Written): Promise<Copy> {
  const { setting, asking, seals, image, key, sizeBytes, snapshotName } = job
  // as it lies there: what cannot be read back is not counted upon
  const pieces = readPieces(asking, key, piecesOf(sizeBytes, setting.pace.pieceLeaves))
  const rootHash = await rootOfLeaves(sizeBytes, pieces)
  const state = await readImage(asking, seals, image)
  const made = state?.snapshots.find(({ name }) => name === snapshotName)
  if (made === undefined) {
    throw new CodedError(
      'CK-TARGET-SNAPSHOT',
      `rbd import-diff ended well, but ${image}@${snapshotName} does not exist`,
      {
        cure: 'It is tried again; look who removes RBD snapshots from the pool.',
      },
    )
  }
  const manifest = manifestOf(job, written, { name: made.name, id: made.id }, rootHash)
  await job.mustStillWrite()
  await setMeta(asking, image, manifestMeta(key), seals.seal('manifest', image, manifest))
  await forgetWriter(asking, image)
  const after = await readImage(asking, seals, image)
  const stored = after?.copies.find((one) => one.key === key)
  if (stored === undefined) {
    throw new CodedError('CK-TARGET-SNAPSHOT', `the manifest of ${image}@${snapshotName} was not kept`, {
      cure: 'It is tried again; look who writes to the pool.',
    })
  }
  return toCopy(setting, stored)
}
