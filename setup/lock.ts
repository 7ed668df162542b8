import { mkdir, readlink, rm, symlink } from 'node:fs/promises'
import { dirname } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

/**
 * Does `work` while no other process of this machine holds the same lock. The lock is a link whose text is its owner's
 * pid: made in one step, and void as soon as its owner is gone.
 * @param onWait called once when another process holds it
 */
export async function withLock<T>(path: string, onWait: () => void, work: () => Promise<T>): Promise<T> {
  await mkdir(dirname(path), { recursive: true })
  for (let waited = false; !(await claim(path)); waited = true) {
    if (!waited) onWait()
    await sleep(500)
  }
  try {
    return await work()
  } finally {
    await rm(path, { force: true })
  }
}

async function claim(path: string): Promise<boolean> {
  try {
    await symlink(String(process.pid), path)
    return true
  } catch (error) {
    if (errorCode(error) !== 'EEXIST') throw error
    if (!(await ownerLives(path))) await rm(path, { force: true })
    return false
  }
}

async function ownerLives(path: string): Promise<boolean> {
  try {
    process.kill(Number(await readlink(path)), 0)
    return true
  } catch (error) {
    return errorCode(error) === 'EPERM'
  }
}

function errorCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error ? String(error.code) : undefined
}
