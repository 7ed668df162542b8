import { type BigIntStats } from 'node:fs'
import { stat } from 'node:fs/promises'
import { CodedError } from '../errors/coded-error.js'
import { fileFailure, isMissing } from './file-errors.js'
import { runCommand } from './run-command.js'

export interface FoundFile {
  sizeBytes: number
  /** Differs once the file was replaced, written or resized; a device's only once it was replaced or resized. */
  identity: string
}

/** @returns undefined when nothing is there */
export async function identifyFile(path: string): Promise<FoundFile | undefined> {
  const found = await statOrMissing(path)
  if (found === undefined) return undefined
  const { dev, ino, rdev, size, mtimeNs } = found
  if (found.isFile()) return { sizeBytes: Number(size), identity: ['file', dev, ino, size, mtimeNs].join(':') }
  if (found.isBlockDevice()) {
    const sizeBytes = await deviceSize(path)
    return { sizeBytes, identity: ['device', dev, ino, rdev, sizeBytes].join(':') }
  }
  throw new CodedError('CK-SOURCE-FILE', `${path} is neither a regular file nor a block device`, {
    cure: 'Correct sources[].dir; nothing was read.',
  })
}

async function statOrMissing(path: string): Promise<BigIntStats | undefined> {
  try {
    return await stat(path, { bigint: true })
  } catch (error) {
    if (isMissing(error)) return undefined
    throw fileFailure(path, error)
  }
}

/** `stat` says 0 for a device. */
async function deviceSize(path: string): Promise<number> {
  const printed = await runCommand({
    name: 'blockdev',
    args: ['--getsize64', path],
    title: `blockdev --getsize64 ${path}`,
    packageName: 'util-linux',
  })
  return Number(printed.trim())
}
