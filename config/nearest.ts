/** The word that was probably meant, or undefined when none is near enough to be offered. */
export function nearest(word: string, words: readonly string[]): string | undefined {
  const limit = Math.max(2, Math.floor(word.length / 3))
  let best: string | undefined
  let least = limit + 1
  for (const one of words) {
    const apart = distance(word.toLowerCase(), one.toLowerCase())
    if (apart < least) [best, least] = [one, apart]
  }
  // `apiKey` for `apiKeyFile`: further apart than a slip, and plainly meant
  best ??= word.length < 4 ? undefined : words.find((one) => one.startsWith(word))
  if (least > limit) return best
  // a word of which every letter would have to change was not meant
  return least < Math.max(word.length, 1) ? best : undefined
}

/** Levenshtein: how many letters are to be inserted, removed or replaced. */
export function distance(one: string, other: string): number {
  let row = Array.from({ length: other.length + 1 }, (_, index) => index)
  for (let i = 1; i <= one.length; i += 1) {
    const next = [i]
    for (let j = 1; j <= other.length; j += 1) {
      const replaced = (row[j - 1] ?? 0) + (one[i - 1] === other[j - 1] ? 0 : 1)
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1))
    }
    row = next
  }
  return row[other.length] ?? 0
}

/** `; did you mean "vault"?`, or nothing. */
export function didYouMean(word: unknown, words: readonly string[]): string {
  const meant = typeof word === 'string' ? nearest(word, words) : undefined
  return meant === undefined ? '' : `; did you mean "${meant}"?`
}
