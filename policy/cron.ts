/**
 * `every`: five fields of cron, read as Temporal reads them (its server's `parseCronString`), so that what a schedule
 * does and what is said about it are the same. What cron and Temporal read differently is refused.
 */

/** The values of each field at which it fits. */
export interface CronFields {
  minute: number[]
  hour: number[]
  dayOfMonth: number[]
  month: number[]
  /** 0 is Sunday. */
  dayOfWeek: number[]
}

interface Field {
  key: keyof CronFields
  name: string
  from: number
  to: number
  words?: string[]
}

const months = 'january february march april may june july august september october november december'.split(' ')
const days = 'sunday monday tuesday wednesday thursday friday saturday'.split(' ')
const fields: Field[] = [
  { key: 'minute', name: 'minute', from: 0, to: 59 },
  { key: 'hour', name: 'hour', from: 0, to: 23 },
  { key: 'dayOfMonth', name: 'day of the month', from: 1, to: 31 },
  { key: 'month', name: 'month', from: 1, to: 12, words: months },
  { key: 'dayOfWeek', name: 'day of the week', from: 0, to: 7, words: days },
]
const longestMonth = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]

/** A sentence's end that says what is wrong with a cron expression. */
export class CronFault extends Error {}

/** @throws CronFault */
export function readCron(every: string): CronFields {
  const words = every.trim().split(/\s+/)
  if (every.trim().startsWith('@')) throw new CronFault('write it as five fields: macros such as @daily are not read')
  if (words.length === 6 || words.length === 7) {
    throw new CronFault(`expected five fields, not ${words.length}: seconds and years cannot be given`)
  }
  if (words.length !== 5)
    throw new CronFault(`expected five fields (minute hour day month weekday), not ${words.length}`)
  const [, , dayOfMonth = '', , dayOfWeek = ''] = words
  if (dayOfMonth !== '*' && dayOfWeek !== '*') {
    throw new CronFault(
      'has both a day of the month and a day of the week: cron would take either, Temporal takes only days that are both; ' +
        'leave one of them `*`, or write two policies',
    )
  }
  const read = Object.fromEntries(fields.map((field, at) => [field.key, valuesOf(field, words[at] ?? '')]))
  const found = read as unknown as CronFields
  const first = Math.min(...found.dayOfMonth)
  if (found.month.every((month) => first > (longestMonth[month - 1] ?? 31))) {
    throw new CronFault(`can never come: no such month has a day ${first}`)
  }
  return found
}

function valuesOf(field: Field, text: string): number[] {
  const found = text.split(',').flatMap((part) => partOf(field, part))
  const values = field.key === 'dayOfWeek' ? found.map((value) => value % 7) : found
  return [...new Set(values)].sort((a, b) => a - b)
}

/** `*`, `x`, `x-y`, each with `/step` or without; `x/step` goes from x to the end. */
function partOf(field: Field, part: string): number[] {
  const [range = '', step, ...more] = part.split('/')
  const [from = '', to, ...further] = range.split('-')
  if (more.length > 0 || further.length > 0) throw wrong(field, part)
  const by = step === undefined ? 1 : numberOf(step)
  if (by === null || by < 1)
    throw new CronFault(`the ${field.name} "${part}" has no step that is a whole number above 0`)
  let [low, high] = [field.from, field.key === 'dayOfWeek' && range === '*' ? 6 : field.to]
  if (range !== '*') {
    low = valueOf(field, from, part)
    if (to !== undefined) high = valueOf(field, to, part)
    else if (step === undefined) high = low
    if (high < low) throw new CronFault(`the ${field.name} "${part}" ends before it begins`)
  }
  const values: number[] = []
  for (let value = low; value <= high; value += by) values.push(value)
  return values
}

function valueOf(field: Field, text: string, part: string): number {
  const value = numberOf(text) ?? wordOf(field, text)
  if (value === null || value < field.from || value > field.to) throw wrong(field, part)
  return value
}

function numberOf(text: string): number | null {
  return /^\d{1,4}$/.test(text) ? Number(text) : null
}

/** The first three letters of a name, or more of them. */
function wordOf({ words = [], from }: Field, text: string): number | null {
  const at = text.length < 3 ? -1 : words.findIndex((word) => word.startsWith(text.toLowerCase()))
  return at < 0 ? null : at + from
}

function wrong({ name, from, to, words }: Field, part: string): CronFault {
  const names =
    words === undefined
      ? ''
      : ` or ${words[0]?.slice(0, 3).toUpperCase() ?? ''}–${words.at(-1)?.slice(0, 3).toUpperCase() ?? ''}`
  return new CronFault(
    `the ${name} "${part}" is not of ${from}–${to}${names}, \`*\`, a list, a range or a step of them`,
  )
}
