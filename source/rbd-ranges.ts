/** Reads chosen ranges of an image or RBD snapshot. */
import type { RbdAccess } from './rbd-access.js'
import type { RbdObject } from './rbd-command.js'
import type { DataRun, Extent, ZeroRun } from './source.js'

/** @param known what tells this object from a later one of its name */
export async function* readRbdRanges(
  access: RbdAccess,
  object: RbdObject,
  known: { size: number; identity: string },
  ranges: Iterable<Extent> | AsyncIterable<Extent>,
  signal?: AbortSignal,
): AsyncGenerator<DataRun | ZeroRun, void, undefined> {
  await Promise.reject(new Error(`not yet: ${JSON.stringify([access, object, known, ranges, signal])}`))
  yield { offset: 0, length: 0, zero: true }
}
