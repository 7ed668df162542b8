import { writtenSeconds } from './measures.js'
import type { Policy, Window } from './policy.js'
import { writtenWindow } from './window.js'

/** What another file changes in one policy. */
export interface PolicyChange {
  policy: string
  kind: 'added' | 'changed' | 'removed'
  /** With `changed`: `settle: 30s → 1m`, in the words of the file. */
  changes: string[]
}

/** What is different between two lists of policies, in the order of the second; the removed ones last. */
export function policyDifference(before: Policy[], after: Policy[]): PolicyChange[] {
  const found: PolicyChange[] = []
  for (const policy of after) {
    const old = before.find(({ name }) => name === policy.name)
    if (old === undefined) {
      found.push({ policy: policy.name, kind: 'added', changes: [] })
      continue
    }
    const changes = changesOf(old, policy)
    // the first that matches protects: its place decides too
    const [was, is] = [placeOf(old, before, after), placeOf(policy, after, before)]
    if (was !== is) changes.push(`place: ${was} → ${is}`)
    if (changes.length > 0) found.push({ policy: policy.name, kind: 'changed', changes })
  }
  for (const { name } of before) {
    if (!after.some((policy) => policy.name === name)) found.push({ policy: name, kind: 'removed', changes: [] })
  }
  return found
}

function changesOf(old: Policy, policy: Policy): string[] {
  const [was, is] = [written(old), written(policy)]
  return Object.entries(is).flatMap(([option, value]) =>
    was[option] === value ? [] : [`${option}: ${was[option] ?? 'none'} → ${value}`],
  )
}

/** Its number among those that are in both lists: what is added or removed moves no other. */
function placeOf({ name }: Policy, own: Policy[], other: Policy[]): number {
  const shared = own.filter((policy) => other.some((one) => one.name === policy.name))
  return shared.findIndex((policy) => policy.name === name) + 1
}

/** Options as the file has them. What was applied by an older release may lack some. */
function written(policy: Partial<Policy>): Record<string, string> {
  const { where, on, every, timezone, window, settleSeconds, consistency, copies, permits, rpoSeconds } = policy
  return {
    where: plain(where ?? {}),
    on: plain(on ?? []),
    every: every == null ? 'none' : `"${every}"`,
    timezone: timezone ?? 'UTC',
    window: windowOf(window ?? null),
    settle: secondsOf(settleSeconds ?? null),
    consistency:
      consistency === undefined ? 'none' : `prefer ${plain(consistency.prefer)}, require ${consistency.require}`,
    copies: (copies ?? []).map(copyOf).join(', '),
    permits: permits == null ? 'any number' : String(permits),
    rpo: secondsOf(rpoSeconds ?? null),
  }
}

function copyOf({ target, force }: Policy['copies'][number]): string {
  if (force === null) return target
  const window = force.window === null ? '' : `, ${writtenWindow(force.window)}`
  return `${target} (force up to ${force.maxSizeGib}GiB${window})`
}

function windowOf(window: Window | null): string {
  return window === null ? 'none' : writtenWindow(window)
}

function secondsOf(seconds: number | null): string {
  return seconds === null ? 'none' : writtenSeconds(seconds)
}

/** As YAML would have it in one line; keys in one order, so that only what was meant differs. */
function plain(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(plain).join(', ')}]`
  if (typeof value !== 'object' || value === null) return String(value)
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
  return `{${entries.map(([key, inner]) => `${key}: ${plain(inner)}`).join(', ')}}`
}
