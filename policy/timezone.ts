/**
 * The time zone that was meant: the text itself when it is one, the nearest that is written otherwise (`europe/zurich`,
 * `Zurich`), or null. Temporal's server reads zones from files: for it case matters.
 */
export function findTimezone(written: string): string | null {
  const names = ['UTC', ...Intl.supportedValuesOf('timeZone')]
  if (names.includes(written)) return written
  const wanted = written.toLowerCase()
  const meant = names.find((name) => name.toLowerCase() === wanted || name.toLowerCase().endsWith(`/${wanted}`))
  if (meant !== undefined) return meant
  return isAlias(written) ? written : null
}

/** `US/Eastern`, `Asia/Kolkata`, `Etc/GMT+5`: known, and not listed. Offsets such as `+01:00` are no zones to Temporal. */
function isAlias(written: string): boolean {
  if (!/^[A-Z][A-Za-z0-9_+-]*(\/[A-Z][A-Za-z0-9_+-]*)*$/.test(written)) return false
  try {
    return new Intl.DateTimeFormat('en', { timeZone: written }).format(0) !== ''
  } catch {
    return false
  }
}
