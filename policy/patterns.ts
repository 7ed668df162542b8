/**
 * Whether a whole text fits a pattern of `*` (any run of characters) and `?` (exactly one). Case matters, as it does in
 * Cinder. Linear in practice: no regular expression is built from what an operator or a tenant wrote.
 */
export function fits(text: string, pattern: string): boolean {
  const characters = Array.from(text)
  const signs = Array.from(pattern)
  let at = 0
  let sign = 0
  // where to go on when what follows the last `*` does not fit
  let star = -1
  let resume = 0
  while (at < characters.length) {
    if (signs[sign] === '*') {
      star = sign
      resume = at
      sign += 1
    } else if (signs[sign] === '?' || signs[sign] === characters[at]) {
      at += 1
      sign += 1
    } else if (star >= 0) {
      resume += 1
      at = resume
      sign = star + 1
    } else {
      return false
    }
  }
  while (signs[sign] === '*') sign += 1
  return sign === signs.length
}
