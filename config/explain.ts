import type { z } from 'zod'
import type { Fault } from './config-error.js'
import { didYouMean } from './nearest.js'
import { optionsAt } from './options-at.js'
import { valueAt } from './value-at.js'
import { withoutUserInfo, writtenPath, writtenValue, type Path } from './written.js'

type Issue = z.core.$ZodIssue

/** A fault before its line is known. */
export interface Unplaced extends Omit<Fault, 'line'> {
  at: Path
}

/** One sentence for what zod found; given to the parse itself, so that a schema's own words win. */
export function expectation(issue: z.core.$ZodRawIssue): string | undefined {
  switch (issue.code) {
    case 'invalid_type':
      return `expected ${nameOfType(issue.expected)}`
    case 'invalid_value':
      return `expected ${list(issue.values.map(String), 'one of ')}`
    case 'too_small':
    case 'too_big': {
      const [word, limit] = issue.code === 'too_small' ? ['at least', issue.minimum] : ['at most', issue.maximum]
      return `expected ${word} ${limit}${unitOf(issue.origin, Number(limit))}`
    }
    case 'invalid_union':
      return issue.discriminator === undefined ? undefined : `expected ${list(issue['options'] as string[], 'one of ')}`
    default:
      return undefined
  }
}

/** What zod found, as faults: one for each unknown key, the most telling branch of a union. */
export function explain(issue: Issue, data: unknown, schema: z.ZodType, base: Path = []): Unplaced[] {
  const at = [...base, ...issue.path.map((step) => (typeof step === 'number' ? step : String(step)))]
  if (issue.code === 'unrecognized_keys') {
    const options = optionsAt(schema, at, data)
    return issue.keys.map((key) => {
      const which = options.length === 0 ? '' : `; options here are ${options.join(', ')}`
      return fault([...at, key], `no such option${which}${didYouMean(key, options)}`)
    })
  }
  if (issue.code === 'invalid_union' && issue.errors.length > 0 && issue.message === unionDefault) {
    return closest(issue.errors).flatMap((inner) => explain(inner, data, schema, at))
  }
  const value = valueAt(data, at)
  if (issue.code === 'invalid_key') {
    const message = issue.issues.map((inner) => inner.message).join('; ')
    return [fault(at, `${writtenValue([], at.at(-1))}, ${message}`)]
  }
  return [fault(at, sentence(at, value, issue) + suggestion(issue, value))]
}

export function fault(at: Path, message: string): Unplaced {
  return { at, path: withoutUserInfo(writtenPath(at)), message: withoutUserInfo(message) }
}

const unionDefault = 'Invalid input'

function sentence(at: Path, value: unknown, issue: Issue): string {
  // a room's own words for a pattern may name only what it wants
  const bare = issue.code === 'invalid_format' && !issue.message.startsWith('expected')
  const message = bare ? `expected ${issue.message}` : issue.message
  if (value === undefined) return issue.code === 'custom' ? message : `missing, ${message}`
  // whoever looks at a whole map or list says what is wrong in it
  if (issue.code === 'custom' && typeof value === 'object') return message
  const joint = /^(is|can|stands|has|may) /.test(message) ? ' ' : ', '
  return `${writtenValue(at, value)}${joint}${message}`
}

function suggestion(issue: Issue, value: unknown): string {
  if (issue.code === 'invalid_value') return didYouMean(value, issue.values.map(String))
  if (issue.code === 'invalid_union') return didYouMean(value, (issue as { options?: string[] }).options ?? [])
  return ''
}

/** The branch that got furthest is the one that was meant; when none got anywhere, all of them are named. */
function closest(branches: readonly (readonly Issue[])[]): Issue[] {
  const depth = (branch: readonly Issue[]) => Math.max(0, ...branch.map((issue) => issue.path.length))
  const deepest = [...branches].sort((a, b) => depth(b) - depth(a))[0] ?? []
  if (depth(deepest) > 0) return [...deepest]
  const wanted = branches.flat().map((issue) => issue.message.replace(/^expected /, ''))
  const [first] = deepest
  return first === undefined ? [] : [{ ...first, message: `expected ${list([...new Set(wanted)], '')}` }]
}

function list(words: string[], prefix: string): string {
  if (words.length === 1) return words[0] ?? ''
  return prefix === '' ? words.join(' or ') : prefix + words.join(', ')
}

const typeNames: Record<string, string> = {
  string: 'a text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  object: 'a map',
  record: 'a map',
  array: 'a list',
}

function nameOfType(type: string): string {
  return typeNames[type] ?? type
}

function unitOf(origin: string, limit: number): string {
  if (origin === 'string') return limit === 1 ? ' character' : ' characters'
  if (origin !== 'array' && origin !== 'set') return ''
  return limit === 1 ? ' entry' : ' entries'
}
