/** Cinder writes times in UTC, with an offset or without. Milliseconds since 1970. */
export function cinderTime(written: string): number {
  return Date.parse(/(Z|[+-]\d\d:?\d\d)$/.test(written) ? written : `${written}Z`)
}
