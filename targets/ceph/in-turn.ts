/** Leaves that lie together: from `first` to before `end`. */
export interface LeafRange {
  first: number
  end: number
}

/**
 * Which leaves of a piece are compared although nobody calls them changed: one in `compare`, others in each round, so that
 * after so many rounds all were. They lie together, since one question then tells which of them are holes.
 * @param round of the copy that is made
 */
export function inTurn({ first, end }: LeafRange, { compare, round }: { compare: number; round: number }): LeafRange {
  const turn = round % compare
  const border = (share: number): number => first + Math.floor(((end - first) * share) / compare)
  return { first: border(turn), end: border(turn + 1) }
}

export function isWithin(leaf: number, { first, end }: LeafRange): boolean {
  return leaf >= first && leaf < end
}
