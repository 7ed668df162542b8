import { z } from 'zod'
import { badRequest } from './api-error.js'

/** Names and descriptions: at most 255 characters. */
export const text = z.string().max(255).nullish()
export const uuid = z.uuid()
export const metadata = z.record(z.string().min(1).max(255), z.string().max(255))
/** oslo's strict booleans, which clients also send as strings. */
export const bool = z.union([
  z.boolean(),
  z.enum(['true', 'True', 'TRUE', '1', 'on', 'yes']).transform(() => true),
  z.enum(['false', 'False', 'FALSE', '0', 'off', 'no']).transform(() => false),
])

/** Checks a body as Cinder's JSON schemas do. @throws 400 `Invalid input for field/attribute …` */
export function parseBody<T>(schema: z.ZodType<T>, body: unknown): T {
  const result = schema.safeParse(body)
  if (result.success) return result.data
  const issue = result.error.issues[0]
  const field = issue?.path.at(-1)
  throw badRequest(
    field === undefined
      ? `Invalid input received: ${issue?.message ?? 'malformed body'}`
      : `Invalid input for field/attribute ${String(field)}. ${issue?.message ?? ''}`,
  )
}
