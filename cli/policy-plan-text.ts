import { writtenSeconds } from '../policy/measures.js'
import type { Plan } from '../policy/plan.js'
import type { VolumeFacts } from '../policy/policy.js'
import { writtenWindow } from '../policy/window.js'
import { hostsOf, type VolumeFreezing } from './plan-freezing.js'
import type { ShownPolicy } from './policy-plan.js'
import { printable } from './printable.js'
import { table } from './table.js'
import { ago, count } from './words.js'

/** Volumes that are due already are named one by one; of more, their number. */
const reasonsNamed = 20

/** @param rest with what no policy protects; null: only the policies are shown. @param isKnown Temporal answered */
export function planText(shown: ShownPolicy[], rest: Plan | null, isKnown: boolean, now: number): string {
  const parts = shown.map((one) => policyText(one, isKnown, now))
  if (rest !== null) {
    parts.push(
      [
        `${count(rest.unprotected.length, 'volume is', 'volumes are')} protected by no policy`,
        ...rest.unprotected.map(({ volume }) => `  ${label(volume)}`),
        `${count(rest.neverSelected.length, 'volume is', 'volumes are')} never selected`,
        ...rest.neverSelected.map(({ volume, because }) => `  ${label(volume)}: ${because}`),
      ].join('\n'),
    )
  }
  return parts.join('\n\n')
}

function policyText(
  { policy, protects, shadowed, warnings, times }: ShownPolicy,
  isKnown: boolean,
  now: number,
): string {
  const copies = policy.copies.map(({ target, force }) => (force === null ? target : `${target} (force)`))
  const lines = [
    `${policy.name}: protects ${count(protects.length, 'volume')} → ${copies.join(', ')}`,
    ...whenLines(policy, times, now).map((line) => `  ${line}`),
  ]
  if (protects.length > 0) {
    // of policies that freeze nobody it says nothing
    const freezing = protects.some((one) => one.freezing !== null)
    const rows = protects.map(({ volume, because, shadows, verifiedAt, due, freezing: how }) => [
      volume.name || '-',
      volume.id,
      volume.projectName ?? volume.projectId,
      `${volume.sizeGib} GiB`,
      !isKnown
        ? '?'
        : `${verifiedAt === null ? 'never' : ago(verifiedAt, now)}${due?.overdue === true ? ' (overdue)' : ''}`,
      dueText(due?.now ?? null, times, policy.on.length > 0, now),
      ...(freezing ? [serversText(how), frozenText(how)] : []),
      reason(because),
      shadows.join(', '),
    ])
    const headings = [
      ...['volume', 'id', 'project', 'size', 'verified', 'due'],
      ...(freezing ? ['server', 'frozen by'] : []),
      ...['because', 'also matched by'],
    ]
    lines.push(
      ...table(headings, rows, [3])
        .split('\n')
        .map((line) => `  ${line}`),
    )
  }
  lines.push(...[...dueLines(protects), ...freezingLines(protects)].map((line) => `  ${line}`))
  const by = new Map<string, number>()
  for (const one of shadowed) by.set(one.by, (by.get(one.by) ?? 0) + 1)
  for (const [name, amount] of by) {
    lines.push(`  shadowed: ${count(amount, 'more volume matches', 'more volumes match')}, but ${name} stands first`)
  }
  return [...lines, ...warnings.map((warning) => `  note: ${warning}`)].join('\n')
}

function whenLines(
  { on, every, timezone, window, rpoSeconds }: ShownPolicy['policy'],
  times: ShownPolicy['times'],
  now: number,
) {
  const lines: string[] = []
  if (on.length > 0) lines.push(`on ${on.join(', ')}`)
  if (every !== null) {
    const next = times.nextAt === null ? 'never again' : `${short(times.nextAt)}, ${ago(times.nextAt, now)}`
    lines.push(`every "${every}" ${timezone}: next ${next}`)
  }
  if (window !== null) {
    const state =
      times.opensAt === null ? 'open now' : `closed, opens ${short(times.opensAt)}, ${ago(times.opensAt, now)}`
    lines.push(`window ${writtenWindow(window)} ${timezone}: ${state}`)
  }
  if (rpoSeconds !== null) lines.push(`rpo ${writtenSeconds(rpoSeconds)}`)
  return lines
}

function dueText(because: string | null, times: ShownPolicy['times'], hasEvents: boolean, now: number): string {
  if (because !== null) return times.opensAt === null ? 'now' : `${ago(times.opensAt, now)} (window)`
  if (times.nextAt !== null) return ago(times.nextAt, now)
  return hasEvents ? 'on events' : 'by hand'
}

/** Why it is due already. */
function dueLines(protects: ShownPolicy['protects']): string[] {
  const due = protects.flatMap(({ volume, due }) =>
    due === null || due.now === null ? [] : [`due: ${volume.name || volume.id}: ${due.now}`],
  )
  return some(due, 'due')
}

/** Why it is not frozen, or why that cannot be told. */
function freezingLines(protects: ShownPolicy['protects']): string[] {
  const unfrozen = protects.flatMap(({ volume, freezing }) => {
    if (freezing === null || freezing.reason === null) return []
    return [printable(`${unfrozenWord(freezing)}: ${volume.name || volume.id}: ${freezing.reason}`)]
  })
  return some(unfrozen, 'not frozen')
}

const unfrozenWord = ({ by }: VolumeFreezing): string => (by === 'unknown' ? 'perhaps frozen' : 'not frozen')

function some(lines: string[], word: string): string[] {
  const more = lines.length - reasonsNamed
  return more > 0 ? [...lines.slice(0, reasonsNamed), `${word}: ${count(more, 'more volume')}`] : lines
}

/** Its servers, and how many volumes are captured with it. */
function serversText(how: VolumeFreezing | null): string {
  if (how === null || how.servers.length === 0) return '-'
  const names = how.servers.map(({ id, name }) => name || id).join(', ')
  return how.together.length === 0 ? names : `${names} (with ${count(how.together.length, 'more volume')})`
}

function frozenText(how: VolumeFreezing | null): string {
  if (how === null) return '?'
  const { by, servers } = how
  if (by === 'agent') return `agent on ${hostsOf(servers)}`
  return { nova: 'Nova', none: 'nobody', detached: 'no need', unknown: '?' }[by]
}

function short(iso: string): string {
  return `${iso.slice(0, 19)}Z`
}

/** The sentence without what the table says already. */
function reason(because: string): string {
  return because.replace(/^Policy \S+ protects it: /, '').replace(/\.$/, '')
}

function label({ id, name, projectName, projectId }: VolumeFacts): string {
  return printable(`${name === '' ? '' : `${name} `}${id} (${projectName ?? projectId})`)
}
