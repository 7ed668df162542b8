import { setCurrentDetails, upsertSearchAttributes, workflowInfo } from '@temporalio/workflow'
import type { RecoveryPoint, VolumeState } from './messages.js'
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
  const { name, project, protection, policy, verified, due, points, target } = columns
  upsertSearchAttributes([
    { key: searchAttributes.name, value: name },
    { key: searchAttributes.project, value: project },
    { key: searchAttributes.protection, value: protection },
    { key: searchAttributes.policy, value: policy },
    { key: searchAttributes.verified, value: verified === null ? null : new Date(verified) },
    { key: searchAttributes.due, value: due === null ? null : new Date(due) },
    { key: searchAttributes.points, value: points },
    { key: searchAttributes.target, value: target.length === 0 ? null : target },
  ])
  return text
}

function columnsOf(volumeId: string, state: VolumeState) {
  return {
    name: state.name ?? volumeId,
    project: state.project,
    protection: protectionOf(state),
    policy: state.policy,
    verified: lastVerified(state.points)?.capturedAt ?? null,
    due: nextAlarm(state),
    points: state.points.length,
    target: [...new Set(state.points.flatMap(({ copies }) => copies.map(({ target }) => target)))].sort(),
  }
}

function detailsOf(volumeId: string, state: VolumeState): string {
  const last = lastVerified(state.points)
  return [
    `### ${state.name ?? volumeId}: ${protectionOf(state) ?? 'no verified point yet'}`,
    `- volume \`${volumeId}\` of ${state.project ?? 'a project not yet known'}, policy ${state.policy ?? 'none'} (run ${workflowInfo().runId.slice(0, 8)})`,
    `- last verified point: ${last === null ? 'none' : `${last.point}, ${last.consistency}`}`,
    ...rebuildLines(state),
    ...state.archives.map(({ archive, targets }) => `- running: \`${archive}\` → ${targets.join(', ')}`),
    ...Object.entries(state.wants).map(
      ([target, { at, reason }]) =>
        `- ${target} gets one more archive after ${new Date(at).toISOString()}: ${oneLine(reason)}`,
    ),
    ...(state.burst === null ? [] : [`- hints wait until ${new Date(state.burst.dueAt).toISOString()}`]),
    ...state.lastReasons.map((reason) => `- ${oneLine(reason)}`),
    '',
    ...pointsTable(state.points.slice(0, 10)),
  ].join('\n')
}

function rebuildLines({ rebuilding }: VolumeState): string[] {
  if (rebuilding === null) return ['- **rebuilding**: asks every target which copies it holds']
  return rebuilding.map(
    (target) => `- **rebuilding**: ${target} has not yet said which copies it holds; nothing is written to it`,
  )
}

function pointsTable(points: RecoveryPoint[]): string[] {
  if (points.length === 0) return []
  const rows = points.map(
    ({ point, consistency, copies }) =>
      `| ${point} | ${consistency} | ${copies.map(({ target, state }) => `${target}: ${state}`).join(', ')} |`,
  )
  return ['| point | consistency | copies |', '|---|---|---|', ...rows]
}

function oneLine(text: string): string {
  return text.replaceAll(/\s+/g, ' ')
}
