/** The contract of every check of `cinderkeep doctor`: looks, judges, changes nothing. */
import { CodedError } from '../../errors/coded-error.js'
import type { DoctorContext } from './context.js'

export type Level = 'ok' | 'skipped' | 'warning' | 'fault'

/** One thing that was looked at. No secret in it. */
export interface Finding {
  level: Level
  /** As in docs/errors.md; null where nothing is wrong. */
  code: `CK-${string}` | null
  /** What was found, of what; a sentence. */
  what: string
  /** What the operator does about it; null where there is nothing to do. */
  cure: string | null
}

export interface Check {
  /** As `--skip` and `--json` name it. */
  name: string
  /**
   * Reads only, here and everywhere: no declare, no create, no write. What it throws becomes a fault, `CannotLook` is told
   * as skipped.
   */
  run: (context: DoctorContext) => Promise<Finding[]>
}

/** A check cannot run, because of something that another check tells of. */
export class CannotLook extends Error {
  override readonly name = 'CannotLook'
}

export const ok = (what: string): Finding => ({ level: 'ok', code: null, what, cure: null })

export const skipped = (what: string): Finding => ({ level: 'skipped', code: null, what, cure: null })

export function warning(code: `CK-${string}`, what: string, cure: string): Finding {
  return { level: 'warning', code, what, cure }
}

export function fault(code: `CK-${string}`, what: string, cure: string): Finding {
  return { level: 'fault', code, what, cure }
}

/** An error of ours as it stands, with the causes that people need to mend it. */
export function findingOf(error: unknown, level: 'warning' | 'fault' = 'fault'): Finding {
  if (error instanceof CannotLook) return skipped(error.message)
  if (error instanceof CodedError) return { level, code: error.code, what: sentence(error), cure: error.cure ?? null }
  // what the SDK makes of a gRPC error
  if (error instanceof Error && error.name === 'ServiceError') {
    return {
      ...{ level, code: 'CK-TEMPORAL-REFUSED', what: sentence(error) },
      cure: 'Check the API key or the client certificate of `temporal`, what Temporal lets it do, and its log.',
    }
  }
  const what = error instanceof Error ? error.message : String(error)
  return { level, code: 'CK-UNEXPECTED', what, cure: 'This is a defect of Cinderkeep: please report it.' }
}

/** With the first line of each cause that the message does not hold already. */
function sentence(error: Error): string {
  const parts = [error.message]
  for (let cause = error.cause; cause instanceof Error; cause = cause.cause) {
    const [line = ''] = cause.message.split('\n')
    if (line !== '' && !parts.some((part) => part.includes(line))) parts.push(line)
  }
  return parts.join(': ')
}
