/** Hands that do what they are told, but for one thing. */
import type { ActName } from '../../librbd/acts.js'
import type { Hands } from '../../librbd/hands.js'
import { leafBytes } from '../../source/hash-fold.js'

/** Between a target and the clusters. */
export type Wrap = (hands: Hands) => Hands

/** Something happens once, before an act is asked for the first time, or before the leaf at an offset is moved. */
export function before(act: ActName, offset: number, happens: () => Promise<void>): Wrap {
  let done: Promise<void> | undefined
  return (hands) => ({
    do: async (name, given, timeoutMs) => {
      const isDue = name === act && (name !== 'moveLeaf' || (given as { offset: number }).offset >= offset)
      if (isDue) await (done ??= happens())
      return hands.do(name, given, timeoutMs)
    },
  })
}

/** The record is not written, whatever it would say. */
export function losing(record: string): Wrap {
  return (hands) => ({
    do: async (name, given, timeoutMs) => {
      const isLost = name === 'setMeta' && (given as { key: string }).key === record
      if (isLost) throw new Error(`${record} is lost`)
      return hands.do(name, given, timeoutMs)
    },
  })
}

/** As fast-diff did: a change of the source of which nothing is said. */
export function missing(isLeftOut: (offset: number) => boolean): Wrap {
  return (hands) => ({
    do: async (name, given, timeoutMs) => {
      const answer = await hands.do(name, given, timeoutMs)
      const from = name === 'diff' ? (given as { from: string | null }).from : null
      // the copies' own RBD snapshots end with the attempt's token
      if (from === null || /[.][0-9a-f]{12}$/.test(from)) return answer
      const extents = answer as number[]
      return extents.filter((_, at) => !isLeftOut(extents[at - (at % 3)] ?? NaN)) as typeof answer
    },
  })
}

/** A map that does not know of objects that are there. */
export function missingInMap(isLeftOut: (offset: number) => boolean): Wrap {
  return (hands) => ({
    do: async (name, given, timeoutMs) => {
      const answer = await hands.do(name, given, timeoutMs)
      if (name !== 'diff' || !(given as { wholeObject: boolean }).wholeObject) return answer
      const extents = answer as number[]
      return extents.filter((_, at) => !isLeftOut(extents[at - (at % 3)] ?? NaN)) as typeof answer
    },
  })
}

/** What lies in one leaf of the hash tree. */
export function ofLeaf(leaf: number): (offset: number) => boolean {
  return (offset) => Math.floor(offset / leafBytes) === leaf
}
