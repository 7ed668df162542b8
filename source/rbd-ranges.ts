/** Reads chosen ranges of an image or RBD snapshot, by a program of our own (rbd-range-process.ts). */
import { fileURLToPath } from 'node:url'
import { endOfRequests, imageRequest, type ImageToRead, maxRangeBytes, rangeRequest } from './range-requests.js'
import { rangePieces } from './range-pieces.js'
import type { RbdAccess } from './rbd-access.js'
import { isRbdComplaint, spec, type RbdObject } from './rbd-command.js'
import { parseRbdDiff, streamError } from './rbd-diff-stream.js'
import { type Command, streamCommand } from './run-command.js'
import type { DataRun, Extent, ZeroRun } from './source.js'

/** How many pieces may be asked for before the first is answered: more than the program reads at once. */
const maxOpenPieces = 256

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

  for await (const record of parseRbdDiff(streamCommand(command, { signal, input: input() }), command.title)) {
    if (record.tag === 'size' && record.size !== known.size) {
      throw streamError(command.title, `is of ${record.size} bytes`)
    } else if (record.tag === 'data') {
      if (!asked.take(record.offset, record.data.length)) throw notAsked(command, record.offset)
      yield { offset: record.offset, data: record.data }
    } else if (record.tag === 'zero') {
      if (!asked.take(record.offset, record.length)) throw notAsked(command, record.offset)
      yield { offset: record.offset, length: record.length, zero: true }
    }
  }
  if (!asked.isEmpty()) throw streamError(command.title, 'leaves out what was asked for')
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

/** What was asked for and is not answered yet. */
function openPieces() {
  const pieces: Extent[] = []
  let onRoom = (): void => undefined
  return {
    room: async () => {
      while (pieces.length >= maxOpenPieces) await new Promise<void>((resolve) => (onRoom = resolve))
    },
    add: (piece: Extent) => {
      pieces.push(piece)
    },
    /** Whether these bytes are the next ones that are due. */
    take: (offset: number, length: number): boolean => {
      const [due] = pieces
      if (due?.offset !== offset || length > due.length) return false
      if (length < due.length) pieces[0] = { offset: offset + length, length: due.length - length }
      else {
        pieces.shift()
        onRoom()
      }
      return true
    },
    isEmpty: () => pieces.length === 0,
  }
}

function notAsked({ title }: Command, offset: number) {
  return streamError(title, `gives bytes at ${offset} that are not the next ones asked for`)
}
