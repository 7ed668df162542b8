/** How people write durations and sizes, read into numbers; null when it cannot be read. */

const secondsOf: Record<string, number> = { ms: 0.001, s: 1, m: 60, min: 60, h: 3600, d: 86_400, w: 604_800 }
const bytesOf: Record<string, number> = {
  B: 1,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
  PiB: 2 ** 50,
  K: 2 ** 10,
  M: 2 ** 20,
  G: 2 ** 30,
  T: 2 ** 40,
  P: 2 ** 50,
}

/** `30s`, `5m`, `2h`, `1d`, `1h30m`, or a bare number of seconds. */
export function readSeconds(written: string | number): number | null {
  if (typeof written === 'number') return Number.isFinite(written) && written >= 0 ? written : null
  const pieces = [...written.trim().matchAll(/(\d+(?:\.\d+)?) *([a-z]+) */gy)]
  if (pieces.length === 0 || pieces.map((piece) => piece[0]).join('') !== written.trim()) return null
  let seconds = 0
  for (const [, amount, unit] of pieces) {
    const factor = Object.hasOwn(secondsOf, unit ?? '') ? secondsOf[unit ?? ''] : undefined
    if (factor === undefined) return null
    seconds += Number(amount) * factor
  }
  return seconds
}

/** `10GiB`, `1.5 TiB`, `500G` (binary as well), or a bare number of GiB, as Cinder counts. */
export function readGib(written: string | number): number | null {
  if (typeof written === 'number') return Number.isFinite(written) && written >= 0 ? written : null
  const [, amount, unit] = /^(\d+(?:\.\d+)?) *([A-Za-z]+)$/.exec(written.trim()) ?? []
  const factor = unit !== undefined && Object.hasOwn(bytesOf, unit) ? bytesOf[unit] : undefined
  return factor === undefined ? null : (Number(amount) * factor) / 2 ** 30
}

/** `1h30m`, `30s`: what `readSeconds` reads as the same number. */
export function writtenSeconds(seconds: number): string {
  const whole = Math.floor(seconds)
  const pieces: [number, string][] = [
    [Math.floor(whole / 86_400), 'd'],
    [Math.floor(whole / 3600) % 24, 'h'],
    [Math.floor(whole / 60) % 60, 'm'],
    [(whole % 60) + (seconds - whole), 's'],
  ]
  const written = pieces.filter(([amount]) => amount > 0).map(([amount, unit]) => `${amount}${unit}`)
  return written.join('') || '0s'
}
