import { CodedError } from '../../errors/coded-error.js'
import { CommandFailed } from '../../source/command-errors.js'
import { capacity } from './capacity.js'
import type { CephSetting } from './setting.js'

/** ENOSPC and EDQUOT, as `rbd` ends with them. */
const noRoom = new Set([28, 122])
/** Ceph takes no more writes at 95 %; clients then wait in silence. */
const isFullBelow = 0.06

/** A cluster without room lets clients wait for ever: a writer that got stuck in it is told so. */
export async function explainFull(setting: CephSetting, error: unknown): Promise<unknown> {
  const isRefused = error instanceof CommandFailed && error.exitCode !== null && noRoom.has(error.exitCode)
  const isStuck = error instanceof CodedError && error.code === 'CK-TARGET-AWAY'
  if (!isRefused && !(isStuck && (await isFull(setting)))) return error
  return new CodedError(
    'CK-TARGET-FULL',
    `the pool ${setting.options.pool} of the target ${setting.name} has no room left`,
    {
      cure: 'Add OSDs or remove points. Nothing is lost: it is tried again by itself, and begins where it can.',
      cause: error,
    },
  )
}

async function isFull(setting: CephSetting): Promise<boolean> {
  try {
    const { freeBytes, totalBytes } = await capacity(setting)
    return freeBytes !== null && totalBytes !== null && freeBytes < totalBytes * isFullBelow
  } catch {
    // then it is away
    return false
  }
}
