/**
 * Whether an unchanged leaf is compared all the same: one in `compare`, others in each round, so that after so many rounds
 * all were.
 * @param round of the copy that is made
 */
export function isInTurn(leaf: number, { compare, round }: { compare: number; round: number }): boolean {
  return leaf % compare === round % compare
}
