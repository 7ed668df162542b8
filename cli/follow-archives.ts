import type { Client, WorkflowExecutionDescription } from '@temporalio/client'
import { ApplicationFailure, defaultPayloadConverter } from '@temporalio/common'
import type { Progress } from '../targets/target.js'
import {
  archiveFailedType,
  requestQuery,
  statusQuery,
  volumeWorkflowId,
  type ArchiveOutcome,
} from '../workflows/messages.js'
import { bounded, grpcCode } from './call-volume.js'
import { pause, type Cli } from './context.js'
import { createMeter, type Meter } from './meter.js'

/** An archive that a volume's workflow accepted. */
export interface Asked {
  volumeId: string
  name: string
  requestId: string
  slot: string
  /** The archive's workflow id. */
  archive: string
  targets: string[] | null
}

export interface Followed {
  asked: Asked
  /** `verified`: every copy. `partly`: some copy is unverified, failed or deferred. The rest speaks for itself. */
  state: 'waiting' | 'running' | 'refused' | 'verified' | 'partly' | 'failed'
  reasons: string[]
  /** null while it runs, and when it came to nothing. */
  outcome: ArchiveOutcome | null
}

const pollMs = 1000
/** Without `--wait` this long is waited for a refusal, which comes as soon as the volume was looked at. */
const refusalMs = 5000
/** Without a terminal, a line of progress as often as this. */
const lineMs = 10_000

/**
 * Follows archives to their ends, or, when nobody waits, until each has started or was refused.
 * @throws CodedError `CK-INTERRUPTED`; the archives go on
 */
export async function followArchives(cli: Cli, client: Client, asked: Asked[], wait: boolean): Promise<Followed[]> {
  const meters = new Map(asked.map(({ archive }) => [archive, createMeter()]))
  const began = performance.now()
  let lastLine = began
  for (;;) {
    const seen = await Promise.all(asked.map((one) => look(client, one, meters.get(one.archive) ?? createMeter())))
    const followed = seen.map((one) => one.followed)
    const open = followed.filter(({ state }) => state === 'waiting' || (wait && state === 'running'))
    if (open.length === 0 || (!wait && performance.now() - began > refusalMs)) return followed
    const line = seen.flatMap(({ shown }) => shown ?? []).join(' | ')
    if (wait && cli.output.progress !== null) cli.output.progress(line)
    else if (wait && line !== '' && performance.now() - lastLine >= lineMs) {
      cli.output.note(line)
      lastLine = performance.now()
    }
    await pause(pollMs, cli.signal, `The archives go on: ${asked.map(({ archive }) => archive).join(', ')}`)
  }
}

/** What became of one by now, and its line of progress while it runs. */
async function look(client: Client, asked: Asked, meter: Meter): Promise<{ followed: Followed; shown: string | null }> {
  const label = asked.name === '' ? asked.volumeId : asked.name
  const description = await describe(client, asked.archive)
  if (description === null) {
    const { state, reasons } = await bounded(client, () =>
      client.workflow.getHandle(volumeWorkflowId(asked.volumeId)).query(requestQuery, asked.requestId),
    )
    const followed: Followed = { asked, state: state === 'refused' ? 'refused' : 'waiting', reasons, outcome: null }
    return { followed, shown: `${label}: waiting${reasons.length === 0 ? '' : `: ${reasons.join(' ')}`}` }
  }
  if (description.status.name === 'RUNNING') {
    const followed: Followed = { asked, state: 'running', reasons: [], outcome: null }
    return { followed, shown: `${label}: ${progressOf(description, meter)}` }
  }
  return { followed: await ended(client, asked), shown: null }
}

async function describe(client: Client, archive: string): Promise<WorkflowExecutionDescription | null> {
  try {
    return await bounded(client, () => client.workflow.getHandle(archive).describe())
  } catch (error) {
    const notFound = 5
    if (grpcCode(error) === notFound || (error instanceof Error && error.name === 'WorkflowNotFoundError')) return null
    throw error
  }
}

/** Phase, bytes, share, rate and time to go of the act that reports them. */
function progressOf(description: WorkflowExecutionDescription, meter: Meter): string {
  const shown = (description.raw.pendingActivities ?? []).map((activity) => {
    const name = activity.activityType?.name ?? 'an act'
    const [payload] = activity.heartbeatDetails?.payloads ?? []
    const progress = payload == null ? null : defaultPayloadConverter.fromPayload<Progress>(payload)
    const attempt = activity.attempt ?? 1
    const failed = activity.lastFailure?.message?.split('\n')[0]
    const again = attempt > 1 && failed !== undefined ? ` (try ${attempt}, after: ${failed})` : ''
    return `${progress === null ? name : meter.read(progress)}${again}`
  })
  return shown.length === 0 ? 'running' : shown.join('; ')
}

async function ended(client: Client, asked: Asked): Promise<Followed> {
  const { outcome, failure } = await resultOf(client, asked.archive)
  if (outcome === null) return { asked, state: 'failed', reasons: [failure ?? 'it was ended from outside'], outcome }
  const deferred = await deferredTargets(client, asked, outcome)
  const states = outcome.targets.map(({ copy, failure }) => (failure === null ? copy?.state : 'failed'))
  const reasons = deferred.map(({ target, reason }) => `${target} follows later: ${reason}.`)
  if (states.length > 0 && states.every((state) => state === 'verified') && deferred.length === 0) {
    return { asked, state: 'verified', reasons, outcome }
  }
  const some = states.some((state) => state === 'verified' || state === 'unverified')
  return { asked, state: some ? 'partly' : 'failed', reasons, outcome }
}

async function resultOf(
  client: Client,
  archive: string,
): Promise<{ outcome: ArchiveOutcome | null; failure: string | null }> {
  try {
    const outcome = (await bounded(client, () => client.workflow.getHandle(archive).result())) as ArchiveOutcome
    return { outcome, failure: null }
  } catch (error) {
    if (!(error instanceof Error) || error.name !== 'WorkflowFailedError') throw error
    const { cause } = error
    const outcome =
      cause instanceof ApplicationFailure && cause.type === archiveFailedType
        ? ((cause.details?.[0] ?? null) as ArchiveOutcome | null)
        : null
    return { outcome, failure: cause instanceof Error ? cause.message : error.message }
  }
}

/** Targets that this request still waits for: their lanes were busy, or their first try failed. */
async function deferredTargets(client: Client, asked: Asked, outcome: ArchiveOutcome) {
  const handle = client.workflow.getHandle(volumeWorkflowId(asked.volumeId))
  const { wants } = await bounded(client, () => handle.query(statusQuery))
  const tried = outcome.targets.map(({ target }) => target)
  return Object.entries(wants)
    .filter(([target, want]) => want.slot === asked.slot && !tried.includes(target))
    .map(([target, want]) => ({ target, reason: want.reason }))
}
