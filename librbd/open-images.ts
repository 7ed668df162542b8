import { check } from './failures.js'
import { poolOf } from './connections.js'
import { aside, libraries, out, type Handle } from './libraries.js'
import type { ImageAt, Place } from './places.js'

/** What of an image is open, for more than one act. */
export interface OpenImage {
  open: number
  size: number
  /** The RBD snapshot's id, or the image's. */
  identity: string
  /** What the object map cannot be trusted for is told by flags that are not 0. */
  flags: number
}

const images = new Map<number, Handle>()
let made = 0

/** @param snapshot null for the image itself */
export async function openImage(given: {
  place: Place
  image: string
  snapshot: string | null
  write: boolean
}): Promise<OpenImage> {
  const { snapshot } = given
  const handle = await open(given)
  made += 1
  images.set(made, handle)
  return {
    open: made,
    size: wholeNumber('size', (into) => libraries().size(handle, into)),
    identity: snapshot === null ? idOf(handle) : snapshotIdOf(handle, snapshot),
    flags: wholeNumber('flags', (into) => libraries().flags(handle, into)),
  }
}

/** Gives its lock back too. */
export async function closeImage(given: { open: number }): Promise<void> {
  const handle = handleOf(given)
  images.delete(given.open)
  check(await aside(libraries().closeImage, handle), 'rbd: close')
}

export async function closeImages(): Promise<void> {
  await Promise.all([...images.keys()].map(async (open) => closeImage({ open })))
}

export function handleOf({ open }: { open: number }): Handle {
  const handle = images.get(open)
  if (handle === undefined) throw new RangeError(`no open image ${String(open)}`)
  return handle
}

/** Acts on an image that is open, or opens it for this alone: then it is seen as it is at this moment. */
export async function withImage<T>(at: ImageAt, how: 'read' | 'write', act: (image: Handle) => Promise<T>): Promise<T> {
  if ('open' in at) return act(handleOf(at))
  const handle = await open({ ...at, snapshot: null, write: how === 'write' })
  try {
    return await act(handle)
  } finally {
    check(await aside(libraries().closeImage, handle), 'rbd: close')
  }
}

export function wholeNumber(what: string, ask: (into: [number | bigint]) => number): number {
  const into = out<number | bigint>()
  check(ask(into), `rbd: ${what}`)
  return Number(into[0])
}

export function idOf(handle: Handle): string {
  const id = Buffer.alloc(256)
  check(libraries().imageId(handle, id, id.length), 'rbd: image id')
  return id.toString('latin1', 0, id.indexOf(0))
}

function snapshotIdOf(handle: Handle, name: string): string {
  return String(wholeNumber(`snapshot ${name}`, (into) => libraries().snapshotId(handle, name, into)))
}

async function open(given: { place: Place; image: string; snapshot: string | null; write: boolean }): Promise<Handle> {
  const { place, image, snapshot, write } = given
  const calls = libraries()
  const handle = out<Handle>()
  const opening = write ? calls.openImage : calls.openReadOnly
  const what = `rbd: error opening image ${image}${snapshot === null ? '' : `@${snapshot}`}`
  check(await aside(opening, await poolOf(place), image, handle, snapshot), what)
  return handle[0]
}
