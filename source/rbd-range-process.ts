/**
 * A program of its own: reads ranges of one image or RBD snapshot by librbd and writes them on stdout as
 * `rbd export-diff` would, so that one parser reads both. Each range is answered in its order and as soon as it can be.
 * Its exit codes are errno's and its words those of `rbd`. When whoever started it is gone, it kills itself, whatever it
 * waits for.
 */
import { constants } from 'node:os'
import {
  LibrbdError,
  type NativeMemory,
  nativeMemory,
  openLibrbdImage,
  type PendingRead,
  type ReadableImage,
} from './librbd.js'
import { gatheringOutput } from './gathering-output.js'
import { type ImageToRead, maxRangeBytes, readRequests } from './range-requests.js'
import type { Extent } from './source.js'
import { diffDataHead, diffEnd, diffHead, diffZero } from './write-rbd-diff.js'

/** Enough that the disks have work while an answer is written. */
const readsInFlight = 6
/** Small enough to stay in the processor's cache. */
const zeros = Buffer.alloc(64 * 1024)
/** Never `process.stdout`: whoever touches that makes the pipe one that refuses to wait. */
const stdout = gatheringOutput(1)
const noWait = Promise.resolve()

let failing = false

/** The first failure is the reason; the others come of it. */
function fail(error: unknown): void {
  if (failing) return
  failing = true
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`, () => {
    process.exit(error instanceof LibrbdError ? error.errno : 1)
  })
}

async function serve(wanted: ImageToRead, ranges: AsyncIterable<Extent>): Promise<void> {
  const image = await openLibrbdImage(wanted)
  if (image.identity !== wanted.identity || image.size !== wanted.size) {
    const found = `${image.identity} of ${image.size} bytes, not ${wanted.identity} of ${wanted.size}`
    throw new LibrbdError(`rbd: ${wanted.image} is ${found}`, constants.errno.ESTALE)
  }
  await stdout.add(diffHead({ from: null, to: wanted.snapshot, size: wanted.size }))
  await answer(image, ranges)
  await stdout.add(diffEnd)
  await stdout.written()
  await image.close()
}

/** Reads run ahead of what is written, as far as there is memory for them. */
async function answer(image: ReadableImage, ranges: AsyncIterable<Extent>): Promise<void> {
  const memories = Array.from({ length: readsInFlight }, () => ({ memory: nativeMemory(maxRangeBytes), free: noWait }))
  let answered = noWait
  let turn = 0
  for await (const range of ranges) {
    const slot = memories[turn % readsInFlight]
    if (slot === undefined) throw new RangeError('unreachable')
    turn += 1
    // answers come in order: the oldest memory is the first that is free
    await slot.free
    const read = image.startRead(range.offset, range.length, slot.memory)
    answered = writeAfter(answered, range, read, slot.memory)
    slot.free = answered
    // at once: the next range may be long in coming
    answered.catch(fail)
  }
  await answered
}

async function writeAfter(
  before: Promise<void>,
  { offset, length }: Extent,
  read: PendingRead,
  { bytes }: NativeMemory,
): Promise<void> {
  await before
  await read.ended()
  const data = bytes.subarray(0, length)
  if (isZero(data)) await stdout.add(diffZero(offset, length))
  else {
    await stdout.add(diffDataHead(offset, length), data)
    // then the memory may be used again
    await stdout.written()
  }
}

function isZero(data: Buffer): boolean {
  for (let at = 0; at < data.length; at += zeros.length) {
    const end = Math.min(at + zeros.length, data.length)
    if (data.compare(zeros, 0, end - at, at, end) !== 0) return false
  }
  return true
}

try {
  const { image, ranges } = await readRequests(process.stdin, () => {
    process.kill(process.pid, 'SIGKILL')
  })
  await serve(image, ranges)
  process.exit(0)
} catch (error) {
  fail(error)
}
