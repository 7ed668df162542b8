import { check } from './failures.js'
import { aside, callable, libraries } from './libraries.js'
import { handleOf } from './open-images.js'

/**
 * What of a window of an open image differs from one of its RBD snapshots, or with null: where it may hold data. A parent's
 * data counts.
 * @returns offset, length, and 1 or 0 for whether there may be data, of one extent after the other
 */
export async function diff(given: {
  open: number
  from: string | null
  offset: number
  length: number
  /** Objects as the object map knows them, each of them whole. */
  wholeObject: boolean
}): Promise<number[]> {
  const { open, from, offset, length, wholeObject } = given
  const image = handleOf({ open })
  const extents: number[] = []
  const found = callable((at, bytes, exists) => {
    extents.push(Number(at), Number(bytes), exists === 0 ? 0 : 1)
    return 0
  })
  try {
    const flags = [1, wholeObject ? 1 : 0] as const
    const result = await aside(libraries().diff, image, from, offset, length, ...flags, found.pointer, null)
    check(result, `rbd: diff ${from === null ? '' : `from ${from} `}failed`)
  } finally {
    found.end()
  }
  return extents
}
