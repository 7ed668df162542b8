/** What failed or was put off is tried again after these many minutes; the last one repeats. */
const backoffMinutes = [1, 5, 15, 60, 360]

/** @param tries how many there were already */
export function backoffMs(tries: number): number {
  const minutes = backoffMinutes[Math.min(Math.max(tries, 1), backoffMinutes.length) - 1] ?? 360
  return minutes * 60_000
}
