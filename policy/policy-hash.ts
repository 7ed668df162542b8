import { createHash } from 'node:crypto'
import type { Policy } from './policy.js'

/**
 * SHA-256 (hex) of what the policies say, the same whatever the order of keys: two workers with different files are
 * told apart by it. The order of policies counts, for the first match protects.
 */
export function policyHash(policies: Policy[]): string {
  return createHash('sha256')
    .update(JSON.stringify(sorted(policies)))
    .digest('hex')
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted)
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
  return entries.map(([key, inner]) => [key, sorted(inner)])
}
