import { setCurrentDetails, upsertSearchAttributes } from '@temporalio/workflow'
import type { RecoveryPoint } from './messages.js'
import type { Burst, VolumeState, Want } from './volume-memory.js'
import { searchAttributes } from './search-attributes.js'
import { overdueAt, protectionOf } from './protection.js'
import { lastVerified } from './volume-points.js'
import { dueAt } from './volume-state.js'

/**
 * Tells an operator in the Temporal UI how the volume stands.
 * @param shown what the last call returned: the columns are written on change only, each upsert is an event
 */
export function showVolume(volumeId: string, state: VolumeState, shown: string): string {
  const now = Date.now()
  setCurrentDetails(detailsOf(volumeId, state, now))
  const columns = columnsOf(volumeId, state, now)
  const text = JSON.stringify(columns)
  if (shown === text) return shown
  const { name, project, protection, policy, verified, consistency, due, points, target } = columns
  upsertSearchAttributes([
    { key: searchAttributes.name, value: name },
    { key: searchAttributes.project, value: project },
    { key: searchAttributes.protection, value: protection },
    { key: searchAttributes.policy, value: policy },
    { key: searchAttributes.verified, value: verified === null ? null : new Date(verified) },
    { key: searchAttributes.consistency, value: consistency },
    { key: searchAttributes.due, value: due === null ? null : new Date(due) },
    { key: searchAttributes.points, value: points },
    { key: searchAttributes.target, value: target.length === 0 ? null : target },
  ])
  return text
}

/** Whether the columns would be others now than those that `showVolume` showed. */
export function columnsChanged(volumeId: string, state: VolumeState, shown: string): boolean {
  return JSON.stringify(columnsOf(volumeId, state, Date.now())) !== shown
}

function columnsOf(volumeId: string, state: VolumeState, now: number) {
  const last = lastVerified(state.points)
  return {
    name: state.name ?? volumeId,
    project: state.project,
    protection: protectionOf(state, now),
    policy: state.policy,
    verified: last?.capturedAt ?? null,
    consistency: last?.consistency ?? null,
    due: dueAt(state, now),
    points: state.points.length,
    target: [...new Set(state.points.flatMap(({ copies }) => copies.map(({ target }) => target)))].sort(),
  }
}

function detailsOf(volumeId: string, state: VolumeState, now: number): string {
  const last = lastVerified(state.points)
  return [
    `### ${state.name ?? volumeId}: ${protectionOf(state, now) ?? 'no verified point yet'}`,
    `- volume \`${volumeId}\` of ${state.project ?? 'a project not yet known'}`,
    `- policy: ${state.policy ?? 'none'}`,
    `- last verified point: ${last === null ? 'none' : `**${last.point}**, ${last.consistency}`}`,
    ...rpoLines(state, now),
    ...foundLines(state),
    ...(state.nextAt === null ? [] : [`- next scheduled archive: ${timeOf(Date.parse(state.nextAt))}`]),
    ...rebuildLines(state),
    ...state.archives.map(
      ({ archive, targets, attempt }) =>
        `- running, to ${targets.join(', ')}${attempt > 1 ? `, try ${attempt}` : ''}: \`${archive}\``,
    ),
    ...Object.entries(state.wants).map(wantLine),
    ...(state.burst === null ? [] : [burstLine(state.burst)]),
    ...state.verifications.map(({ point }) => `- ${point} is to be read back when its archive has ended`),
    ...pointLines(state.points),
    ...(state.lastReasons.length === 0 ? [] : ['', '#### What the policies said last', '']),
    ...state.lastReasons.map((reason) => `- ${oneLine(reason)}`),
  ].join('\n')
}

function rpoLines(state: VolumeState, now: number): string[] {
  const at = overdueAt(state)
  if (at === null) return []
  return [at <= now ? `- **overdue** since ${timeOf(at)}` : `- overdue from ${timeOf(at)} on, without a newer point`]
}

function foundLines({ foundBad }: VolumeState): string[] {
  if (foundBad === null) return []
  const { point, target, at } = foundBad
  return [`- **the copy of ${point} on ${target} was found bad** when it was read back at ${timeOf(Date.parse(at))}`]
}

function burstLine({ dueAt: at, waitsForWindow }: Burst): string {
  if (waitsForWindow) return `- an archive waits for the policy’s window, which opens at ${timeOf(at)}`
  return `- hints wait to be looked at until ${timeOf(at)}`
}

function wantLine([target, { at, failures, deferrals, reason }]: [string, Want]): string {
  let what = `${target} gets one more archive`
  if (failures > 0) what = `**${target} failed**, next try`
  else if (deferrals > 0) what = `${target} was put off, next try`
  return `- ${what} after ${timeOf(at)}: ${oneLine(reason)}`
}

function timeOf(milliseconds: number): string {
  return `${new Date(milliseconds).toISOString().slice(0, 19)}Z`
}

function rebuildLines({ rebuilding, silent }: VolumeState): string[] {
  if (rebuilding === null) return ['- **rebuilding**: asks every target which copies it holds']
  return rebuilding.map(
    (target) =>
      `- **rebuilding**: ${target} has not yet said which copies it holds; nothing is written to it${whySilent(silent[target])}`,
  )
}

function whySilent(reason: string | undefined): string {
  return reason === undefined ? '' : `: ${oneLine(reason)}`
}

/** The newest ten; the UI draws tables without any space between their columns, so it is a list. */
function pointLines(points: RecoveryPoint[]): string[] {
  if (points.length === 0) return []
  const lines = points.slice(0, 10).map(({ point, consistency, copies }) => {
    const states = copies.map(
      ({ target, state, reason }) => `${target} **${state}**${reason === null ? '' : ` (${reason})`}`,
    )
    return `- ${point}, ${consistency}: ${oneLine(states.join(', '))}`
  })
  const older = points.length - lines.length
  return ['', '#### Recovery points', '', ...lines, ...(older > 0 ? [`- and ${older} older`] : [])]
}

function oneLine(text: string): string {
  return text.replaceAll(/\s+/g, ' ')
}
