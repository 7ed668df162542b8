/** Pieces of what OpenStack's services send: nulls and missing fields where real clouds have them. */
import { z } from 'zod'

/** Without it the object cannot be told from another. */
export const id = z.string().min(1)

/** Missing or null becomes null. */
export const maybe = z
  .string()
  .nullish()
  .transform((value) => value ?? null)

/** Missing or null becomes the empty string (names). */
export const text = z
  .string()
  .nullish()
  .transform((value) => value ?? '')

/** Cinder writes UTC without saying so; with the `Z` every reader understands it. */
export const instant = z.string().transform(withZone)

export const maybeInstant = z
  .string()
  .nullish()
  .transform((value) => (value ? withZone(value) : null))

/** True, `"true"`, and everything else. */
export const flag = z
  .union([z.boolean(), z.string()])
  .nullish()
  .transform((value) => value === true || (typeof value === 'string' && value.toLowerCase() === 'true'))

/** Metadata: null is none; values are text whatever they were. */
export const labels = z
  .record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null()]))
  .nullish()
  .transform((values) =>
    Object.fromEntries(Object.entries(values ?? {}).map(([key, value]) => [key, value === null ? '' : String(value)])),
  )

/** A size or a count; negative only where -1 means unlimited. */
export const gib = z.int().min(0)

function withZone(time: string): string {
  return /(Z|[+-]\d\d:?\d\d)$/i.test(time) ? time : `${time.replace(' ', 'T')}Z`
}
