import { setCurrentDetails, upsertSearchAttributes, workflowInfo } from '@temporalio/workflow'
import type { Capture } from '../targets/target.js'
import type { ArchiveOutcome, ArchiveRequest, TargetOutcome } from './messages.js'
import { searchAttributes } from './search-attributes.js'

export type ArchivePhase =
  'waiting' | 'paused' | 'capturing' | 'writing' | 'verifying' | 'releasing' | 'done' | 'deferred' | 'failed'

const doing: Record<ArchivePhase, string> = {
  waiting:
    'Waiting for its permits; nothing is captured or held meanwhile. The workflow `permits/all` shows who has them.',
  paused: 'Stopped by an operator at a safe point; `cinderkeep resume` lets it go on.',
  capturing: 'Taking a snapshot and finding out how consistent it is.',
  writing: 'Copying the capture. The tab *Pending Activities* says how far it is, and what a retry waits for.',
  verifying:
    'Reading the copy back and comparing its hash with the capture’s. The tab *Pending Activities* says how far.',
  releasing: 'Removing the snapshot and whatever else was temporary.',
  done: 'Finished; nothing temporary is left.',
  deferred: 'Put off for want of quota or space; nothing temporary is left. It is tried again by itself.',
  failed: 'Finished without a good copy on at least one target; nothing temporary is left.',
}

/**
 * Tells an operator in the Temporal UI what happens now, what was achieved, and what failed.
 * @param reasons why it waits, is paused, or cannot be released yet
 */
export function showArchive(
  request: ArchiveRequest,
  outcome: ArchiveOutcome,
  phase: ArchivePhase,
  reasons: string[] = [],
): void {
  const { capture } = outcome
  const parts = [
    `### ${request.volume.name || request.volume.id}: ${phase}`,
    doing[phase],
    ...(reasons.length === 0 ? [] : [reasons.map((reason) => `- ${reason}`).join('\n')]),
    capture === null ? 'Nothing is captured yet.' : capturedAs(capture),
    ...(outcome.freezing ?? []).flatMap(paragraphs),
    ...outcome.targets.flatMap((target) => partsOf(target, capture, phase)),
  ]
  setCurrentDetails(parts.join('\n\n'))
  // a release is a matter of seconds, unless something is in its way
  if (phase !== 'releasing' || reasons.length > 0) showColumns(request, phase, capture?.consistency)
}

/** Written on change only: each time is an event, and a write in Temporal's visibility store. */
function showColumns(
  { phase: atStart }: ArchiveRequest,
  phase: ArchivePhase,
  consistency: Capture['consistency'] | undefined,
): void {
  const columns = [
    { key: searchAttributes.phase, value: phase as string },
    ...(consistency === undefined ? [] : [{ key: searchAttributes.consistency, value: consistency as string }]),
  ]
  const shown = workflowInfo().typedSearchAttributes
  // archives of an older version were not told their first phase, and wrote all of them each time
  const changed = columns.filter(({ key, value }) => atStart === undefined || shown.get(key) !== value)
  if (changed.length > 0) upsertSearchAttributes(changed)
}

function capturedAs({ capturedAt, consistency, watchers, sizeBytes }: Capture): string {
  return `Captured at ${capturedAt}, ${gib(sizeBytes)}, **${consistency}** (${useOf(consistency, watchers)}).`
}

const uses: Record<Capture['consistency'], string> = {
  detached: 'not attached to any server that runs',
  frozen: 'its servers had frozen their filesystems',
  crash: 'may have been written to meanwhile',
}

/** What `consistency` rests on, for those who do not know our words. */
function useOf(consistency: Capture['consistency'], watchers: Capture['watchers']): string {
  const attached = uses[consistency]
  if (watchers === 'unknown') return `${attached}; whether another client had it open is not known`
  return watchers === 'none'
    ? `${attached}; no other client had it open`
    : `${attached}; open by ${watchers.join(', ')}`
}

/** The UI draws tables without any space between their columns, so each target gets paragraphs. */
function partsOf({ target, copy, failure }: TargetOutcome, capture: Capture | null, phase: ArchivePhase): string[] {
  const failed = copy?.state === 'damaged' || copy?.state === 'suspect' ? copy.state : 'failed'
  const state = failure === null ? (copy?.state ?? waiting(capture, phase)) : failed
  const hash = copy?.rootHash ? [`Hash of the capture: \`${copy.rootHash}\``] : []
  const text = failure?.message ?? copy?.reason ?? null
  return [`**${target}: ${state}**`, ...(text === null ? [] : paragraphs(text)), ...hash]
}

/** An error's lines as Markdown; indented ones would become code. */
function paragraphs(text: string): string[] {
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
}

function waiting(capture: Capture | null, phase: ArchivePhase): string {
  return capture === null || phase === 'capturing' ? 'waits for the capture' : 'being written'
}

function gib(bytes: number): string {
  return `${(bytes / 2 ** 30).toFixed(bytes % 2 ** 30 === 0 ? 0 : 1)} GiB`
}
