/** Volumes that are RBD images, read through the `rbd` command: it brings the librbd that fits the cluster. */
import { CodedError } from '../errors/coded-error.js'
import { snapshotObject, volumeObject } from './object-names.js'
import type { RbdSourceOptions } from './options.js'
import { explainRbdFailure, rbdCommand, spec, type RbdObject } from './rbd-command.js'
import { parseRbdDiff } from './rbd-diff-stream.js'
import { rbdExtents } from './rbd-extents.js'
import { listRbdSnapshots, rbdImageInfo, rbdWatchers } from './rbd-queries.js'
import { streamCommand } from './run-command.js'
import type { BytesRef, DataRun, OpenBytes, Source } from './source.js'

export function rbdSource(options: RbdSourceOptions): Source {
  return {
    zone: options.zone,
    kind: 'rbd',
    open: async (ref) => openRbd(options, ref),
    watchers: async (place) => rbdWatchers(options, volumeObject(place)),
  }
}

async function openRbd(options: RbdSourceOptions, ref: BytesRef): Promise<OpenBytes> {
  const object = { image: volumeObject(ref), snapshot: snapshotObject(ref) }
  const found = await findObject(options, object)
  if (found === undefined) throw captureLost(options, object, 'does not exist')

  async function confirm(): Promise<void> {
    const now = await findObject(options, object).catch((error: unknown) => {
      if (error instanceof CodedError && error.code === 'CK-SOURCE-IMAGE-MISSING') return undefined
      throw error
    })
    if (now?.identity !== found?.identity || now?.size !== found?.size) {
      throw captureLost(options, object, 'was deleted, replaced or resized while it was read')
    }
  }

  /** A failure is explained by the loss of the snapshot where that is the case. */
  async function explained(error: unknown): Promise<unknown> {
    if (error instanceof CodedError && error.code.startsWith('CK-SOURCE-')) await confirm()
    return explainRbdFailure(error, options, object.image)
  }

  return {
    sizeBytes: found.size,
    identity: found.identity,
    confirm,
    extents: async (signal) => {
      try {
        return await rbdExtents(options, object, signal)
      } catch (error) {
        throw await explained(error)
      }
    },
    read: async function* (signal) {
      try {
        yield* readRbd(options, object, found.size, signal)
      } catch (error) {
        throw await explained(error)
      }
    },
  }
}

/**
 * The size and what makes this very object recognisable: the RBD snapshot's id, or the image's.
 * @returns undefined when the image exists and the snapshot does not
 */
async function findObject(
  options: RbdSourceOptions,
  { image, snapshot }: RbdObject,
): Promise<{ identity: string; size: number } | undefined> {
  if (snapshot === null) {
    const { id, size } = await rbdImageInfo(options, image)
    return { identity: id, size }
  }
  const found = (await listRbdSnapshots(options, image)).find(({ name }) => name === snapshot)
  return found === undefined ? undefined : { identity: String(found.id), size: found.size }
}

/** A full stream, a clone's parent included. A plain diff: see `rbdExtents`. */
async function* readRbd(
  options: RbdSourceOptions,
  object: RbdObject,
  size: number,
  signal: AbortSignal | undefined,
): AsyncGenerator<DataRun, void, undefined> {
  const command = rbdCommand(options, ['export-diff'], object, ['--no-progress', '--path', '-'])
  let snapshot: string | null = null
  for await (const record of parseRbdDiff(streamCommand(command, { signal }))) {
    if (record.tag === 'data') yield record
    else if (record.tag === 'from') throw otherStream(command.title, `begins at the snapshot ${record.name}`)
    else if (record.tag === 'to') snapshot = record.name
    else if (record.tag === 'size') {
      if (snapshot !== object.snapshot) throw otherStream(command.title, `is of ${snapshot ?? 'the image itself'}`)
      if (record.size !== size) throw captureLost(options, object, `has ${record.size} bytes now, not ${size}`)
    }
  }
}

function otherStream(title: string, what: string): CodedError {
  return new CodedError('CK-SOURCE-STREAM', `the stream of ${title} ${what}`, {
    cure: 'Nothing of it is used. Install the version of ceph-common that fits the cluster; if it does, please report this.',
  })
}

function captureLost({ pool }: RbdSourceOptions, object: RbdObject, what: string): CodedError {
  return new CodedError('CK-CAPTURE-LOST', `${spec(pool, object)} ${what}`, {
    cure: 'What was read is thrown away and a new capture is needed; look in Cinder who deletes snapshots.',
  })
}
