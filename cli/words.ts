/** How people read sizes, times and rates. */

const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'] as const

/** `1.5 GiB`; whole numbers without a fraction. */
export function size(bytes: number): string {
  let amount = bytes
  let unit = 0
  while (amount >= 1024 && unit < units.length - 1) {
    amount /= 1024
    unit += 1
  }
  const digits = Number.isInteger(amount) || amount >= 100 ? 0 : 1
  return `${amount.toFixed(digits)} ${units[unit] ?? ''}`
}

/** `45s`, `3m 20s`, `2h 5m`, `4d 3h`. */
export function span(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds))
  const pieces: [number, string][] = [
    [Math.floor(whole / 86_400), 'd'],
    [Math.floor(whole / 3600) % 24, 'h'],
    [Math.floor(whole / 60) % 60, 'm'],
    [whole % 60, 's'],
  ]
  const first = pieces.findIndex(([amount]) => amount > 0)
  if (first < 0) return '0s'
  return pieces
    .slice(first, first + 2)
    .filter(([amount]) => amount > 0)
    .map(([amount, unit]) => `${amount}${unit}`)
    .join(' ')
}

/** `2h 5m ago`; a time to come: `in 3m`. */
export function ago(iso: string, now: number): string {
  const seconds = (now - Date.parse(iso)) / 1000
  if (Math.abs(seconds) < 1) return 'now'
  return seconds > 0 ? `${span(seconds)} ago` : `in ${span(-seconds)}`
}

/** `1 volume`, `3 volumes`. */
export function count(amount: number, one: string, many = `${one}s`): string {
  return `${amount} ${amount === 1 ? one : many}`
}
