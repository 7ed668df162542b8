/**
 * JSON with one form for one content: keys in order, no spaces, pure ASCII. What a MAC covers is this text, so whoever
 * checks it without us needs no parser of ours.
 */
export function canonicalJson(value: unknown): string {
  return toAscii(JSON.stringify(ordered(value)))
}

function ordered(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(ordered)
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).filter(([, one]) => one !== undefined)
  return Object.fromEntries(
    entries.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)).map(([key, one]) => [key, ordered(one)]),
  )
}

function toAscii(json: string): string {
  return json.replace(/[\u007f-\uffff]/g, (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, '0')}`)
}
