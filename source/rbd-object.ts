/** One image or RBD snapshot, opened for reading: a volume on the source, or its copy on a target. */
import { CodedError } from '../errors/coded-error.js'
import type { RbdAccess } from './rbd-access.js'
import { explainRbdFailure, type RbdObject } from './rbd-command.js'
import { exportRbd, exportRbdSince } from './rbd-export.js'
import { rbdExtents } from './rbd-extents.js'
import { baseLost, captureLost } from './rbd-lost.js'
import { listRbdSnapshots, rbdImageInfo } from './rbd-queries.js'
import type { DataRun, OpenBytes, RbdSnapshotRef, SinceOptions, ZeroRun } from './source.js'

/**
 * @param object its `snapshot` is null for the image itself
 * @param id of the RBD snapshot, where it is known
 * @throws CodedError `CK-CAPTURE-LOST` when the RBD snapshot does not exist or has another id, else as `listRbdSnapshots`
 */
export async function openRbdObject(access: RbdAccess, object: RbdObject, id?: number): Promise<OpenBytes> {
  const found = await findObject(access, object)
  if (found === undefined) throw captureLost(access, object, 'does not exist')
  const { size, identity } = found
  if (id !== undefined && identity !== String(id)) {
    throw captureLost(access, object, `has the id ${identity}, not ${id}: it is another one`)
  }
  const bases: RbdSnapshotRef[] = []

  async function confirm(): Promise<void> {
    const now = await unlessGone(findObject(access, object))
    if (now?.identity !== identity || now.size !== size) {
      throw captureLost(access, object, 'was deleted, replaced or resized while it was read')
    }
    for (const base of bases) await confirmBase(base)
  }

  async function confirmBase(base: RbdSnapshotRef): Promise<void> {
    const now = await unlessGone(findObject(access, { ...object, snapshot: base.name }))
    if (now?.identity !== String(base.id)) throw baseLost(access, object.image, base)
  }

  /** A failure is explained by the loss of a snapshot where that is the case. */
  async function explained(error: unknown): Promise<unknown> {
    if (error instanceof CodedError && error.code.startsWith('CK-SOURCE-')) await confirm()
    return explainRbdFailure(error, access, object.image)
  }

  async function* explaining<T>(runs: AsyncIterable<T>): AsyncGenerator<T, void, undefined> {
    try {
      yield* runs
    } catch (error) {
      throw await explained(error)
    }
  }

  async function* since(
    base: RbdSnapshotRef,
    signal: AbortSignal | undefined,
    options: SinceOptions | undefined,
  ): AsyncGenerator<DataRun | ZeroRun, void, undefined> {
    await confirmBase(base)
    yield* exportRbdSince(access, object, { size, base: base.name }, signal, options)
  }

  return {
    sizeBytes: size,
    identity,
    confirm,
    extents: async (signal) => {
      try {
        return await rbdExtents(access, object, signal)
      } catch (error) {
        throw await explained(error)
      }
    },
    read: (signal, options) => explaining(exportRbd(access, object, size, signal, options)),
    readSince: (base, signal, options) => {
      bases.push(base)
      return explaining(since(base, signal, options))
    },
  }
}

interface Found {
  /** What makes this very object recognisable: the RBD snapshot's id, or the image's. */
  identity: string
  size: number
}

/** @returns undefined when the image exists and the snapshot does not */
async function findObject(access: RbdAccess, { image, snapshot }: RbdObject): Promise<Found | undefined> {
  if (snapshot === null) {
    const { id, size } = await rbdImageInfo(access, image)
    return { identity: id, size }
  }
  const found = (await listRbdSnapshots(access, image)).find(({ name }) => name === snapshot)
  return found === undefined ? undefined : { identity: String(found.id), size: found.size }
}

async function unlessGone(finding: Promise<Found | undefined>): Promise<Found | undefined> {
  try {
    return await finding
  } catch (error) {
    if (error instanceof CodedError && error.code === 'CK-SOURCE-IMAGE-MISSING') return undefined
    throw error
  }
}
