/** Writes to an image through `rbd import-diff`, record by record as they become known. */
import type { RbdAccess } from '../../source/rbd-access.js'
import { rbdCommand } from '../../source/rbd-command.js'
import type { Extent } from '../../source/source.js'
import { explained } from './asking.js'
import type { Stretch } from './leaves.js'
import { feedCommand, type FeedOptions } from './feed-command.js'

export interface ImportDiff {
  /** One record, in ascending order as everything of a stream. */
  data(stretch: Stretch): Promise<void>
  /** One piece of zeros, however long; takes no room. */
  zero(extent: Extent): Promise<void>
  /** The end record: with an end snapshot it is made now. Returns when `rbd` has ended well. */
  finish(): Promise<void>
  /** Ends it without the end record: no snapshot is made, what was written stays on the head. Never throws. */
  kill: () => Promise<void>
}

export interface DiffHead {
  /** The RBD snapshot that the image's head is equal to; `rbd` refuses when the image does not have it. */
  from: string | null
  /** The RBD snapshot to be made at the end. */
  to: string | null
  /** The image is resized to it. */
  size: number
}

export async function startImportDiff(
  access: RbdAccess,
  image: string,
  head: DiffHead,
  options: FeedOptions,
): Promise<ImportDiff> {
  const command = rbdCommand(access, ['import-diff'], { image, snapshot: null }, ['--no-progress', '--path', '-'])
  const feed = await feedCommand(command, options)
  const clear = async (act: () => Promise<void>): Promise<void> => explained(access, image, act)
  try {
    await clear(async () => feed.write(headRecords(head)))
  } catch (error) {
    await feed.kill()
    throw error
  }
  return {
    data: async ({ offset, parts }) =>
      clear(async () => {
        const length = parts.reduce((sum, part) => sum + part.length, 0)
        await feed.write(extentRecord('w', { offset, length }))
        for (const part of parts) await feed.write(part)
      }),
    zero: async (extent) => clear(async () => feed.write(extentRecord('z', extent))),
    finish: async () =>
      clear(async () => {
        await feed.write(Buffer.from('e'))
        await feed.end()
      }),
    kill: async () => feed.kill(),
  }
}

export function headRecords({ from, to, size }: DiffHead): Buffer {
  return Buffer.concat([
    Buffer.from('rbd diff v1\n'),
    ...(from === null ? [] : [nameRecord('f', from)]),
    ...(to === null ? [] : [nameRecord('t', to)]),
    Buffer.from('s'),
    u64(size),
  ])
}

export function extentRecord(tag: 'w' | 'z', { offset, length }: Extent): Buffer {
  return Buffer.concat([Buffer.from(tag), u64(offset), u64(length)])
}

function nameRecord(tag: 'f' | 't', name: string): Buffer {
  const bytes = Buffer.from(name)
  const length = Buffer.alloc(4)
  length.writeUInt32LE(bytes.length)
  return Buffer.concat([Buffer.from(tag), length, bytes])
}

function u64(value: number): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(BigInt(value))
  return bytes
}
