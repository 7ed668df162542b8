import { mkdtemp, readdir, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { withLock } from '../../setup/lock.js'

describe('withLock', () => {
  let folder: string
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'ck-lock-'))
  })
  afterEach(() => rm(folder, { recursive: true }))

  it('lets one in at a time, and tells the others once that they wait', async () => {
    let inside = 0
    let most = 0
    let waits = 0
    const work = async (): Promise<void> => {
      inside += 1
      most = Math.max(most, inside)
      for (let i = 0; i < 20; i += 1) await turn()
      inside -= 1
    }
    const waiting = (): void => {
      waits += 1
    }
    await Promise.all([1, 2, 3].map(() => withLock(join(folder, 'deep', 'lock'), waiting, work)))
    expect({ most, waits }).toEqual({ most: 1, waits: 2 })
    expect(await readdir(join(folder, 'deep'))).toEqual([])
  })

  it('takes over from an owner that is dead', async () => {
    const path = join(folder, 'lock')
    await symlink('4194305', path) // beyond the largest pid there can be
    expect(
      await withLock(
        path,
        () => undefined,
        async () => 'done',
      ),
    ).toBe('done')
  })

  it('is free again after work that failed', async () => {
    const path = join(folder, 'lock')
    const failing = withLock(
      path,
      () => undefined,
      async () => Promise.reject(new Error('no')),
    )
    await expect(failing).rejects.toThrow('no')
    expect(await readdir(folder)).toEqual([])
  })
})
