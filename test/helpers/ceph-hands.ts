/**
 * A cluster's administrator with quick hands: one process with one connection, where `rbd` needs a new one for each
 * question. For tests that ask hundreds of them.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { Cluster, Lab } from './lab.js'
import type { RbdAct } from './rbd-hands.js'

export interface SnapshotSeen {
  id: number
  name: string
  size: number
}

export interface ImageSeen {
  size: number
  snapshots: SnapshotSeen[]
  /** Keys of its metadata. */
  records: string[]
  watchers: string[]
}

/** Images are named `pool/name`, and where something is read also `pool/name@snapshot`. */
export interface CephHands {
  images(pool: string): Promise<string[]>
  /** null when there is no such image. */
  look(image: string): Promise<ImageSeen | null>
  create(image: string, size: number): Promise<void>
  /** All of it in one opening of the image, flushed at its end. */
  act(image: string, acts: RbdAct[]): Promise<void>
  snapshot(image: string, name: string): Promise<SnapshotSeen>
  removeSnapshots(image: string, names: string[]): Promise<void>
  /**
   * Equal for equal bytes and sizes, whatever is stored how. `objects` believes the object map and reads only what
   * exists, for images of TiB.
   */
  content(image: string, how?: 'whole' | 'objects'): Promise<string>
  /** The same of a file. */
  contentOfFile(path: string): Promise<string>
  objects(pool: string, prefix: string): Promise<string[]>
  removeObjects(pool: string, names: string[]): Promise<void>
  /** Takes away watches of clients that died while they registered them: the OSD itself never does. */
  forgetWatches(image: string): Promise<void>
  /** With its snapshots; content when it is gone. */
  remove(image: string): Promise<void>
  end(): Promise<void>
}

const script = join(dirname(fileURLToPath(import.meta.url)), 'ceph-hands.py')

export function cephHands(lab: Lab, cluster: Cluster): CephHands {
  // Debian's own interpreter: it has the rados and rbd modules
  const child = spawn('/usr/bin/python3', [script, lab.cephConf[cluster]], { stdio: ['pipe', 'pipe', 'inherit'] })
  const ended = once(child, 'close')
  const waiting: { resolve: (answer: unknown) => void; reject: (error: Error) => void }[] = []
  createInterface(child.stdout).on('line', (line) => {
    const { answer, failed } = JSON.parse(line) as { answer?: unknown; failed?: string }
    const first = waiting.shift()
    if (failed === undefined) first?.resolve(answer)
    else first?.reject(new Error(`${cluster}: ${failed}`))
  })
  child.stdin.on('error', () => undefined)
  child.on('close', () => {
    for (const { reject } of waiting.splice(0)) reject(new Error(`the hands on ${cluster} ended before they answered`))
  })

  async function ask<T = void>(what: string, ...given: unknown[]): Promise<T> {
    return new Promise((resolve, reject) => {
      waiting.push({ resolve: resolve as (answer: unknown) => void, reject })
      child.stdin.write(`${JSON.stringify({ ask: what, given })}\n`)
    })
  }

  return {
    images: async (pool) => ask('images', pool),
    look: async (image) => ask('look', image),
    create: async (image, size) => ask('create', image, size),
    act: async (image, acts) => ask('act', image, acts),
    snapshot: async (image, name) => ask('snap', image, name),
    removeSnapshots: async (image, names) => ask('unsnap', image, names),
    content: async (image, how = 'whole') => ask('content', image, how),
    contentOfFile: async (path) => ask('file_content', path),
    objects: async (pool, prefix) => ask('objects', pool, prefix),
    removeObjects: async (pool, names) => ask('remove_objects', pool, names),
    forgetWatches: async (image) => ask('forget_watches', image),
    remove: async (image) => ask('remove', image),
    end: async () => {
      child.stdin.end()
      await ended
    },
  }
}
