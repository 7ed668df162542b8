import { setCurrentDetails, upsertSearchAttributes } from '@temporalio/workflow'
import type { RecoveryPoint, VolumeState, Want } from './messages.js'
import { searchAttributes } from './search-attributes.js'
import { lastVerified, nextAlarm, protectionOf } from './volume-state.js'

/**
 * Tells an operator in the Temporal UI how the volume stands.
 * @param shown what the last call returned: the columns are written on change only, each upsert is an event
 */
export function showVolume(volumeId: string, state: VolumeState, shown: string): string {
  setCurrentDetails(detailsOf(volumeId, state))
  const columns = columnsOf(volumeId, state)
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

function columnsOf(volumeId: string, state: VolumeState) {
  const last = lastVerified(state.points)
  return {
    name: state.name ?? volumeId,
    project: state.project,
    protection: protectionOf(state),
    policy: state.policy,
    verified: last?.capturedAt ?? null,
    consistency: last?.consistency ?? null,
    due: nextAlarm(state),
    points: state.points.length,
    target: [...new Set(state.points.flatMap(({ copies }) => copies.map(({ target }) => target)))].sort(),
  }
}

function detailsOf(volumeId: string, state: VolumeState): string {
  const last = lastVerified(state.points)
  return [
    `### ${state.name ?? volumeId}: ${protectionOf(state) ?? 'no verified point yet'}`,
    `- volume \`${volumeId}\` of ${state.project ?? 'a project not yet known'}`,
    `- policy: ${state.policy ?? 'none'}`,
    `- last verified point: ${last === null ? 'none' : `**${last.point}**, ${last.consistency}`}`,
    ...rebuildLines(state),
    ...state.archives.map(
      ({ archive, targets, failures }) =>
        `- running, to ${targets.join(', ')}${failures > 0 ? `, try ${failures + 1}` : ''}: \`${archive}\``,
    ),
    ...Object.entries(state.wants).map(wantLine),
    ...(state.burst === null ? [] : [`- notifications wait to be looked at until ${timeOf(state.burst.dueAt)}`]),
    ...pointLines(state.points),
    ...(state.lastReasons.length === 0 ? [] : ['', '#### What the policies said last', '']),
    ...state.lastReasons.map((reason) => `- ${oneLine(reason)}`),
  ].join('\n')
}

function wantLine([target, { at, failures, reason }]: [string, Want]): string {
  const what = failures > 0 ? `**${target} failed**, next try` : `${target} gets one more archive`
  return `- ${what} after ${timeOf(at)}: ${oneLine(reason)}`
}

function timeOf(milliseconds: number): string {
  return `${new Date(milliseconds).toISOString().slice(0, 19)}Z`
}

function rebuildLines({ rebuilding }: VolumeState): string[] {
  if (rebuilding === null) return ['- **rebuilding**: asks every target which copies it holds']
  return rebuilding.map(
    (target) => `- **rebuilding**: ${target} has not yet said which copies it holds; nothing is written to it`,
  )
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
