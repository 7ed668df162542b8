/** Reads chosen ranges of an image or RBD snapshot, by a program of our own (rbd-range-process.ts). */
import { fileURLToPath } from 'node:url'
import { answeredRuns, openPieces } from './answered-ranges.js'
import { endOfRequests, imageRequest, type ImageToRead, maxRangeBytes, rangeRequest } from './range-requests.js'
import { rangePieces } from './range-pieces.js'
import type { RbdAccess } from './rbd-access.js'
import { isRbdComplaint, spec, type RbdObject } from './rbd-command.js'
import { type Command, streamCommand } from './run-command.js'
import type { DataRun, Extent, ZeroRun } from './source.js'

/**
 * `OpenBytes.readRanges`; each range costs no more than its reading, the first one about 0.2 s beside.
 * @param known what tells this object from a later one of its name
 * @throws CodedError as `rbd` does
 */
export async function* readRbdRanges(
  access: RbdAccess,
  object: RbdObject,
  known: { size: number; identity: string },
  ranges: Iterable<Extent> | AsyncIterable<Extent>,
  signal?: AbortSignal,
): AsyncGenerator<DataRun | ZeroRun, void, undefined> {
  const { conf, user, keyring = null, pool } = access
  const command = rangeCommand(`the ranges of ${spec(pool, object)}`)
  const asked = openPieces()

  async function* input(): AsyncGenerator<string, void, undefined> {
    yield imageRequest({ conf, user, keyring, pool, ...object, ...known } satisfies ImageToRead)
    for await (const piece of rangePieces(ranges, known.size, maxRangeBytes)) {
      await asked.room()
      asked.add(piece)
      yield rangeRequest(piece)
    }
    yield endOfRequests
  }

  yield* answeredRuns(streamCommand(command, { signal, input: input() }), asked, known.size, command.title)
}

/** The compiled program, also when this file runs as it was written. */
const program = import.meta.url.endsWith('.ts') ? '../dist/source/rbd-range-process.js' : './rbd-range-process.js'

function rangeCommand(title: string): Command {
  return {
    name: process.execPath,
    args: [fileURLToPath(new URL(program, import.meta.url))],
    title,
    packageName: 'librbd1',
    isComplaint: isRbdComplaint,
  }
}
