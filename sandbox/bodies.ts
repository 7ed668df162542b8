import { z } from 'zod'
import { badRequest } from './api-error.js'

const maxLength = 255

/** Names and descriptions: at most 255 characters. */
export const text = z.string().max(maxLength).nullish()
export const uuid = z.guid()
export const metadata = z.record(z.string().min(1).max(maxLength), z.string().max(maxLength))
/** oslo's strict booleans, which clients also send as strings. */
export const bool = z.union([
  z.boolean(),
  z.enum(['true', 'True', 'TRUE', '1', 'on', 'yes']).transform(() => true),
  z.enum(['false', 'False', 'FALSE', '0', 'off', 'no']).transform(() => false),
])

/** Checks a body and refuses it in the words of Cinder's JSON schemas. @throws 400 */
export function parseBody<T>(schema: z.ZodType<T>, body: unknown): T {
  const result = schema.safeParse(body)
  if (result.success) return result.data
  const [issue] = result.error.issues
  throw badRequest(issue === undefined ? 'Malformed request body' : refusal(issue, body))
}

function refusal(issue: z.core.$ZodIssue, body: unknown): string {
  const field = issue.path.at(-1)
  const value = issue.path.reduce<unknown>((at, key) => (at as Record<PropertyKey, unknown> | undefined)?.[key], body)
  if (value === undefined) return `'${String(field ?? 'body')}' is a required property`
  if (issue.code === 'too_big' && typeof value === 'string') {
    return `Invalid input received: ${String(field)} has ${value.length} characters, more than ${maxLength}.`
  }
  return `Invalid input for field/attribute ${String(field)}. Value: ${shownValue(value)}. ${complaint(issue, value)}`
}

function complaint(issue: z.core.$ZodIssue, value: unknown): string {
  switch (issue.code) {
    case 'unrecognized_keys': {
      const keys = issue.keys.map((key) => `'${key}'`).join(', ')
      return `Additional properties are not allowed (${keys} ${issue.keys.length === 1 ? 'was' : 'were'} unexpected)`
    }
    case 'invalid_type':
      return `${python(value)} is not of type '${issue.expected}'`
    case 'too_small':
      return `${python(value)} is less than the minimum of ${issue.minimum.toString()}`
    case 'invalid_union': {
      const branch = issue.errors.map(([first]) => first).find((first) => first?.code !== 'invalid_type')
      return branch === undefined
        ? `${python(value)} is not valid under any of the given schemas`
        : complaint(branch, value)
    }
    case 'invalid_format':
      if (issue.format === 'guid' || issue.format === 'uuid') return `${python(value)} is not a 'uuid'`
      return `${python(value)} does not match '${(issue.pattern ?? '').replace(/^\/|\/$/g, '')}'`
    default:
      return issue.message
  }
}

const shownValue = (value: unknown): string => (typeof value === 'string' ? value : python(value))

/** A value as Python prints it. */
function python(value: unknown): string {
  if (value === null || value === undefined) return 'None'
  if (typeof value === 'boolean') return value ? 'True' : 'False'
  if (typeof value === 'string') return `'${value}'`
  if (Array.isArray(value)) return `[${value.map(python).join(', ')}]`
  if (typeof value !== 'object') return JSON.stringify(value)
  const entries = Object.entries(value).map(([key, inner]) => `'${key}': ${python(inner)}`)
  return `{${entries.join(', ')}}`
}
