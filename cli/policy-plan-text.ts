import { writtenSeconds } from '../policy/measures.js'
import type { Plan } from '../policy/plan.js'
import type { VolumeFacts } from '../policy/policy.js'
import { writtenWindow } from '../policy/window.js'
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
    const rows = protects.map(({ volume, because, shadows, verifiedAt, due }) => [
      volume.name || '-',
      volume.id,
      volume.projectName ?? volume.projectId,
      `${volume.sizeGib} GiB`,
      !isKnown
        ? '?'
        : `${verifiedAt === null ? 'never' : ago(verifiedAt, now)}${due?.overdue === true ? ' (overdue)' : ''}`,
      dueText(due?.now ?? null, times, policy.on.length > 0, now),
      reason(because),
      shadows.join(', '),
    ])
    const headings = ['volume', 'id', 'project', 'size', 'verified', 'due', 'because', 'also matched by']
    lines.push(
      ...table(headings, rows, [3])
        .split('\n')
        .map((line) => `  ${line}`),
    )
  }
  lines.push(...dueLines(protects).map((line) => `  ${line}`))
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
  const more = due.length - reasonsNamed
  return more > 0 ? [...due.slice(0, reasonsNamed), `due: ${count(more, 'more volume')}`] : due
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
