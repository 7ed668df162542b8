import type { z } from 'zod'
import { CloudError, type CallInfo } from './errors.js'
import type { RawAnswer } from './transport.js'

/** The body of a success, parsed; null when it is empty. @throws CloudError `CK-CLOUD-ANSWER-INVALID` */
export function readJson(answer: RawAnswer): unknown {
  if (answer.text.trim() === '') return null
  try {
    return JSON.parse(answer.text) as unknown
  } catch {
    const type = answer.headers['content-type'] ?? 'no content type'
    throw new CloudError('CK-CLOUD-ANSWER-INVALID', `expected JSON, received ${type}`, {
      ...answer.call,
      status: answer.status,
    })
  }
}

/**
 * Takes from an answer what we use and refuses what would mislead us. Fields that nobody asked for are left alone.
 * @throws CloudError `CK-CLOUD-ANSWER-INVALID` with each place and what was expected there, never the values
 */
export function readAs<T extends z.ZodType>(schema: T, body: unknown, call: CallInfo): z.output<T> {
  const result = schema.safeParse(body)
  if (result.success) return result.data
  const faults = result.error.issues.slice(0, 5).map((issue) => `${placeOf(issue.path)}: ${issue.message}`)
  throw new CloudError('CK-CLOUD-ANSWER-INVALID', `an answer that cannot be right: ${faults.join('; ')}`, call)
}

function placeOf(path: readonly PropertyKey[]): string {
  if (path.length === 0) return 'the answer'
  return path
    .map((step, at) => (typeof step === 'number' ? `[${step}]` : `${at > 0 ? '.' : ''}${String(step)}`))
    .join('')
}
