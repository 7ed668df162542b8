import { rm, truncate } from 'node:fs/promises'
import { firstDataOffset, readBlock, sameBlock, writeBlock } from './files.js'

const block = 4096

/**
 * Flips one bit in the first block that holds data, or cuts the file in the middle of it, or removes the file. A child
 * that shows the same block as its parent reads it from there, so it is hit too.
 */
export async function damageFile(
  path: string,
  how: 'flip' | 'truncate' | 'gone',
  children: readonly string[],
): Promise<void> {
  if (how === 'gone') {
    await rm(path)
    return
  }
  const at = await firstDataOffset(path)
  if (how === 'truncate') {
    await truncate(path, at)
    return
  }
  const sharing: string[] = []
  for (const child of children) if (await sameBlock(path, child, at, block)) sharing.push(child)
  const bytes = await readBlock(path, at, block)
  bytes[0] = (bytes[0] ?? 0) ^ 1
  for (const file of [path, ...sharing]) await writeBlock(file, at, bytes)
}
