import { setCurrentDetails, upsertSearchAttributes } from '@temporalio/workflow'
import type { ArchiveOutcome, ArchiveRequest, TargetOutcome } from './messages.js'
import { searchAttributes } from './search-attributes.js'

export type ArchivePhase = 'capturing' | 'writing' | 'verifying' | 'releasing' | 'done' | 'failed'

const doing: Record<ArchivePhase, string> = {
  capturing: 'Taking a snapshot and finding out how consistent it is.',
  writing: 'Copying the capture. Bytes, rate and phase stand in the pending activity’s heartbeat.',
  verifying: 'Reading the copy back and comparing its hash with the capture’s.',
  releasing: 'Removing the snapshot and whatever else was temporary.',
  done: 'Every copy is where it belongs.',
  failed: 'No good copy on at least one target: see below and the failure.',
}

/** Tells an operator in the Temporal UI what happens now, what was achieved, and what failed. */
export function showArchive(request: ArchiveRequest, outcome: ArchiveOutcome, phase: ArchivePhase): void {
  const { volume, slot, attempt, policy } = request
  const { capture } = outcome
  setCurrentDetails(
    [
      `### ${volume.name || volume.id}: ${phase}`,
      doing[phase],
      '',
      `- volume \`${volume.id}\` of ${volume.projectName ?? volume.projectId}`,
      `- asked for by \`${slot}\`${attempt > 1 ? `, try ${attempt}` : ''}; policy ${policy ?? 'none (by hand)'}`,
      capture === null
        ? '- nothing captured yet'
        : `- captured ${capture.capturedAt}, **${capture.consistency}** (other clients: ${watchersOf(capture.watchers)}), ${gib(capture.sizeBytes)}`,
      '',
      '| target | copy | hash | remarks |',
      '|---|---|---|---|',
      ...outcome.targets.map((target) => row(target, phase)),
    ].join('\n'),
  )
  upsertSearchAttributes([
    { key: searchAttributes.phase, value: phase },
    ...(capture === null ? [] : [{ key: searchAttributes.consistency, value: capture.consistency }]),
  ])
}

function row({ target, copy, failure }: TargetOutcome, phase: ArchivePhase): string {
  const state =
    failure !== null ? (copy?.state === 'damaged' ? '**damaged**' : '**failed**') : (copy?.state ?? waiting(phase))
  const remarks = failure?.message ?? copy?.reason ?? ''
  return `| ${target} | ${state} | ${copy?.rootHash ?? ''} | ${remarks.replaceAll('\n', ' ').replaceAll('|', '\\|')} |`
}

function waiting(phase: ArchivePhase): string {
  return phase === 'capturing' ? 'waits for the capture' : 'being written'
}

function watchersOf(watchers: 'none' | 'unknown' | string[]): string {
  return typeof watchers === 'string' ? watchers : watchers.join(', ')
}

function gib(bytes: number): string {
  return `${(bytes / 2 ** 30).toFixed(bytes % 2 ** 30 === 0 ? 0 : 1)} GiB`
}
