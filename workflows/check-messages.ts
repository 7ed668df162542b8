/** Anybody can send an update or a signal in the UI: one that makes no sense is refused or left out, and stops nothing. */
import { ApplicationFailure } from '@temporalio/workflow'
import type { ArchiveNow, VerifyNow } from './messages.js'
import type { Brake, PermitRequest } from './permit-messages.js'

type Unknown<T> = Partial<Record<keyof T, unknown>> | null | undefined

/** Ids become parts of workflow ids, of which Temporal takes a thousand characters. */
const longestId = 256

const isId = (one: unknown): one is string => typeof one === 'string' && one !== '' && one.length <= longestId
const areTargets = (one: unknown) =>
  one === null || (Array.isArray(one) && one.every((name) => typeof name === 'string'))

export function checkArchiveNow(request: Unknown<ArchiveNow>): void {
  const { id, targets } = request ?? {}
  if (isId(id) && areTargets(targets)) return
  throw refusal('archiveNow wants {id: <UUID>, targets: <names> or null}')
}

export function checkVerifyNow(request: Unknown<VerifyNow>): void {
  const { id, point, targets } = request ?? {}
  if (isId(id) && isId(point) && areTargets(targets)) return
  throw refusal('verifyNow wants {id: <UUID>, point: <point>, targets: <names> or null}')
}

export function checkPause(request: Unknown<{ scope: string; by: string; reason: string | null }>): void {
  const { scope, by, reason } = request ?? {}
  if (isId(scope) && typeof by === 'string' && (reason === null || typeof reason === 'string')) return
  throw refusal('pause wants {scope: <scope>, by: <who>, reason: <text> or null}')
}

export function checkResume(request: Unknown<{ scope: string }>): void {
  if (!isId(request?.scope)) throw refusal('resume wants {scope: <scope>}')
}

export function isPermitRequest(request: unknown): request is PermitRequest {
  const { archive, project, first, since, permits } = (request ?? {}) as Partial<Record<keyof PermitRequest, unknown>>
  const areKnown = typeof archive === 'string' && typeof project === 'string' && typeof first === 'boolean'
  // what is no date cannot be shown as one
  const isTime = typeof since === 'number' && !Number.isNaN(new Date(since).getTime())
  return areKnown && isTime && Array.isArray(permits) && permits.every(isPermit)
}

function isPermit(permit: unknown): boolean {
  const { scope, limit } = (permit ?? {}) as { scope?: unknown; limit?: unknown }
  return typeof scope === 'string' && (limit === null || typeof limit === 'number')
}

export function isBrake(brake: unknown): brake is Brake {
  const { scope, paused } = (brake ?? {}) as Partial<Record<keyof Brake, unknown>>
  return typeof scope === 'string' && typeof paused === 'object'
}

function refusal(message: string): ApplicationFailure {
  return ApplicationFailure.nonRetryable(message, 'CK-USAGE')
}
