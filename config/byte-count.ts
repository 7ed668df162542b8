import { z } from 'zod'

const bytesOf: Record<string, number> = { B: 1, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30, TiB: 2 ** 40 }

/** Written `200MiB` or as a number of bytes; parsed: bytes. */
export const byteCount = z.union([z.string(), z.number()]).transform((written, context) => {
  const [, amount, unit] = /^(\d+(?:\.\d+)?) *(B|KiB|MiB|GiB|TiB)$/.exec(String(written).trim()) ?? []
  const bytes = typeof written === 'number' ? written : Number(amount) * (bytesOf[unit ?? ''] ?? NaN)
  if (Number.isFinite(bytes) && bytes >= 1) return Math.floor(bytes)
  context.addIssue({ code: 'custom', message: 'expected a size such as 200MiB, or a number of bytes' })
  return z.NEVER
})
