import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, rmdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { volumeImage, type Lab } from '../../helpers/lab.js'

/** What a snapshot holds of the filesystem that the lab's guest writes to (lab/nova/guest-init). */

const run = promisify(execFile)

export interface Written {
  /** What the guest had synced; null when the file is not there. */
  counter: number | null
  /** The number in the last whole line of what it had not synced; null when there is none. */
  applog: number | null
  /** Bytes of the log whose place is known and whose content was never written. */
  nuls: number
}

export interface Look {
  /** The journal holds what is not yet in its place: the filesystem was in use, as after a crash. */
  needsRecovery: boolean
  /** The counter as this machine's kernel reads it when it mounts the filesystem read-only; null: it refuses, without a recovery. */
  mounted: number | null
  asItLies: Written
  /** After the journal was replayed, on a copy: what a restore finds. */
  replayed: Written
}

/** @param snapshot the RBD snapshot's own name */
export async function lookAt(lab: Lab, volumeId: string, snapshot: string): Promise<Look> {
  const dir = await mkdtemp(join(tmpdir(), 'ck-filesystem-'))
  const file = join(dir, 'volume.raw')
  try {
    const image = `${volumeImage(volumeId)}@${snapshot}`
    await run('rbd', ['-c', lab.cephConf.prod, 'export', '--no-progress', image, file])
    return await lookInto(file)
  } finally {
    await rm(dir, { recursive: true })
  }
}

/** @param file a raw image; its journal is replayed */
export async function lookInto(file: string): Promise<Look> {
  const { stdout } = await run('/sbin/dumpe2fs', ['-h', file])
  const needsRecovery = /^Filesystem features:.*\bneeds_recovery\b/m.test(stdout)
  const asItLies = await written(file)
  const mounted = await counterWhenMounted(file)
  if (needsRecovery) await replay(file)
  return { needsRecovery, mounted, asItLies, replayed: needsRecovery ? await written(file) : asItLies }
}

/** Cinder's RBD driver names the snapshot of a snapshot so. */
export function rbdSnapshotOf(snapshotId: string): string {
  return `snapshot-${snapshotId}`
}

/** What cannot be written to is not recovered: then the kernel says so, and does not mount it. */
async function counterWhenMounted(file: string): Promise<number | null> {
  const dir = await mkdtemp(join(tmpdir(), 'ck-mounted-'))
  try {
    await run('mount', ['-t', 'ext4', '-o', 'loop,ro', file, dir])
  } catch (error) {
    await rmdir(dir)
    if (error instanceof Error && 'code' in error && error.code === 32) return null
    throw error
  }
  try {
    return Number.parseInt(await readFile(join(dir, 'counter'), 'utf8'))
  } finally {
    await run('umount', [dir])
    await rmdir(dir)
  }
}

async function replay(file: string): Promise<void> {
  // it ends with 1 when it mended something, which is the point
  await run('/sbin/e2fsck', ['-fy', file]).catch((error: unknown) => {
    if (!(error instanceof Error && 'code' in error && error.code === 1)) throw error
  })
}

async function written(file: string): Promise<Written> {
  const [counter, log] = [await cat(file, '/counter'), await cat(file, '/applog')]
  const text = log.toString('latin1')
  // what follows the last newline was cut off; NULs are no lines
  const last = /(?:^|[\n\0])(\d+) [^\n\0]*\n\0*[^\n]*$/.exec(text)?.[1]
  return {
    counter: /^\d+\n/.test(counter.toString('latin1')) ? Number.parseInt(counter.toString('latin1')) : null,
    applog: last === undefined ? null : Number(last),
    nuls: text.split('\0').length - 1,
  }
}

/** Read-only, and without bitmaps, which a filesystem in use may have in disorder. Nothing where there is no such file. */
async function cat(file: string, path: string): Promise<Buffer> {
  const args = ['-c', '-R', `cat ${path}`, file]
  return (await run('/sbin/debugfs', args, { encoding: 'buffer', maxBuffer: 64 << 20 })).stdout
}
