import type { Client } from '@temporalio/client'
import { ApplicationFailure } from '@temporalio/common'
import {
  archiveFailedType,
  isDeferral,
  requestQuery,
  statusQuery,
  volumeWorkflowId,
  type ArchiveOutcome,
} from '../workflows/messages.js'
import { bounded } from './call-volume.js'
import { pause, type Cli } from './context.js'
import { meters, type Meter } from './meter.js'
import { describeWorkflow, progressOf } from './pending.js'
import { progressTeller } from './tell-progress.js'
import { ago } from './words.js'

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
  /**
   * `verified`: every copy. `partly`: some copy is unverified, failed or deferred. `deferred`: put off, and tried again by
   * itself. The rest speaks for itself.
   */
  state: 'waiting' | 'running' | 'refused' | 'verified' | 'partly' | 'deferred' | 'failed'
  reasons: string[]
  /** null while it runs, and when it came to nothing. */
  outcome: ArchiveOutcome | null
}

const pollMs = 1000
/** Without `--wait` this long is waited for a refusal, which comes as soon as the volume was looked at. */
const refusalMs = 5000

/**
 * Follows archives to their ends, or, when nobody waits, until each has started or was refused.
 * @throws CodedError `CK-INTERRUPTED`; the archives go on
 */
export async function followArchives(cli: Cli, client: Client, asked: Asked[], wait: boolean): Promise<Followed[]> {
  const known = asked.map((one) => ({ asked: one, meterOf: meters() }))
  const tell = progressTeller(cli)
  const began = performance.now()
  for (;;) {
    const seen = await Promise.all(known.map((one) => look(client, one.asked, one.meterOf)))
    const followed = seen.map((one) => one.followed)
    const open = followed.filter(({ state }) => state === 'waiting' || (wait && state === 'running'))
    if (open.length === 0 || (!wait && performance.now() - began > refusalMs)) return followed
    if (wait) tell(seen.flatMap(({ shown }) => shown ?? []).join(' | '))
    await pause(pollMs, cli.signal, `The archives go on: ${asked.map(({ archive }) => archive).join(', ')}`)
  }
}

/** What became of one by now, and its line of progress while it runs. */
async function look(
  client: Client,
  asked: Asked,
  meterOf: (act: string) => Meter,
): Promise<{ followed: Followed; shown: string | null }> {
  const label = asked.name === '' ? asked.volumeId : asked.name
  const description = await describeWorkflow(client, asked.archive)
  if (description === null) {
    const { state, reasons } = await bounded(client, () =>
      client.workflow.getHandle(volumeWorkflowId(asked.volumeId)).query(requestQuery, asked.requestId),
    )
    const followed: Followed = { asked, state: state === 'refused' ? 'refused' : 'waiting', reasons, outcome: null }
    return { followed, shown: `${label}: waiting${reasons.length === 0 ? '' : `: ${reasons.join(' ')}`}` }
  }
  if (description.status.name === 'RUNNING') {
    const followed: Followed = { asked, state: 'running', reasons: [], outcome: null }
    return { followed, shown: `${label}: ${progressOf(description, meterOf)}` }
  }
  return { followed: await ended(client, asked), shown: null }
}

async function ended(client: Client, asked: Asked): Promise<Followed> {
  const { outcome, failure } = await resultOf(client, asked.archive)
  if (outcome === null) return { asked, state: 'failed', reasons: [failure ?? 'it was ended from outside'], outcome }
  const reasons = await putOff(client, asked, outcome)
  const states = outcome.targets.map((one) => {
    if (one.failure === null) return one.copy?.state
    return isDeferral(one) ? 'deferred' : 'failed'
  })
  const all = (state: string) => states.length > 0 && states.every((one) => one === state)
  if (all('verified') && reasons.length === 0) return { asked, state: 'verified', reasons, outcome }
  if (all('deferred')) return { asked, state: 'deferred', reasons, outcome }
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

/** Targets that this request still waits for, in words: what was put off, and is tried again by itself. */
async function putOff(client: Client, asked: Asked, outcome: ArchiveOutcome): Promise<string[]> {
  const { wants } = await bounded(client, () =>
    client.workflow.getHandle(volumeWorkflowId(asked.volumeId)).query(statusQuery),
  )
  const again = new Map(Object.entries(wants).filter(([, want]) => want.slot === asked.slot))
  const deferred = outcome.targets.filter(isDeferral)
  return [...new Set([...again.keys(), ...deferred.map(({ target }) => target)])].map((target) => {
    const want = again.get(target)
    const why = want?.reason ?? deferred.find((one) => one.target === target)?.failure?.message ?? ''
    const next = want === undefined ? 'It is tried again by itself.' : `Next try ${ago(isoOf(want.at), Date.now())}.`
    return `${target}: ${why.replaceAll(/\s+/g, ' ')} ${next}`
  })
}

function isoOf(milliseconds: number): string {
  return new Date(milliseconds).toISOString()
}
