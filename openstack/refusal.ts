/** An HTTP answer that is no success, as an error that says what happened in the service's own words. */
import { CloudError, type CloudCode } from './errors.js'
import type { RawAnswer } from './transport.js'

/** The service's error object: its name and its text. */
interface Said {
  fault: string | null
  text: string | null
}

export function errorOfAnswer(answer: RawAnswer, redact: (text: string) => string): CloudError {
  const { call, status } = answer
  // before anything is cut, or half a secret would remain
  const said = readSaid(redact(answer.text))
  const retryAfterSeconds = readRetryAfter(answer.headers['retry-after'])
  const { code, what } = judge(status, call.method, said, retryAfterSeconds)
  return new CloudError(code, what, {
    ...call,
    status,
    fault: said.fault,
    said: said.text === null ? null : redact(said.text).slice(0, 500),
    retryAfterSeconds,
  })
}

function judge(
  status: number,
  method: string,
  { fault, text }: Said,
  retryAfter: number | null,
): { code: CloudCode; what: string } {
  switch (status) {
    case 401:
      return { code: 'CK-CLOUD-UNAUTHORIZED', what: 'not accepted' }
    case 403:
      return { code: 'CK-CLOUD-FORBIDDEN', what: 'not allowed' }
    case 404:
      // Cinder's word for "no cinder-backup is up" (ServiceNotFound): nothing is told about the object itself
      if (/^Service \S+ could not be found/.test(text ?? '')) {
        return { code: 'CK-CLOUD-UNAVAILABLE', what: 'no service is up that could do it' }
      }
      return { code: 'CK-CLOUD-NOT-FOUND', what: 'not found' }
    case 406:
      return { code: 'CK-CLOUD-MICROVERSION', what: 'the API version is not offered' }
    case 408:
      return { code: 'CK-CLOUD-UNAVAILABLE', what: 'the request did not arrive in time' }
    case 409:
      return { code: 'CK-CLOUD-CONFLICT', what: 'in conflict with another operation' }
    case 413:
      return judge413(fault, retryAfter)
    case 429:
      return { code: 'CK-CLOUD-RATE-LIMIT', what: 'too many requests' }
    case 501:
      return { code: 'CK-CLOUD-BAD-REQUEST', what: 'not implemented' }
  }
  if (status >= 500) return judge5xx(status, method)
  if (status >= 400) return { code: 'CK-CLOUD-BAD-REQUEST', what: 'refused' }
  return { code: 'CK-CLOUD-ANSWER-INVALID', what: 'answered with a redirect, which is not followed' }
}

/** Cinder's full quota is a 413 with `Retry-After: 0` (facts: `exception.py:609`): waiting does not help. */
function judge413(fault: string | null, retryAfter: number | null): { code: CloudCode; what: string } {
  if (retryAfter !== null && retryAfter > 0) return { code: 'CK-CLOUD-RATE-LIMIT', what: 'too many requests' }
  if (fault === 'overLimit') return { code: 'CK-CLOUD-QUOTA', what: 'the quota is used up' }
  return { code: 'CK-CLOUD-BAD-REQUEST', what: 'the request is too large' }
}

/**
 * 503 is said before anything is done, by a proxy without a backend or by Cinder without a service. The others come
 * when the work may have been done: a proxy gave up on the answer, or Cinder failed between its database row and its
 * message to the host.
 */
function judge5xx(status: number, method: string): { code: CloudCode; what: string } {
  if (method === 'GET' || status === 503) return { code: 'CK-CLOUD-UNAVAILABLE', what: 'the service failed' }
  return { code: 'CK-CLOUD-ANSWER-LOST', what: 'it may have been done, the answer does not tell' }
}

/** `{"badRequest": {"message": …}}` of Cinder and Nova, `{"error": {…}}` of Keystone, or a proxy's page. */
function readSaid(text: string): Said {
  let body: unknown
  try {
    body = JSON.parse(text)
  } catch {
    const plain = text.replace(/<(style|script|title)\b[^]*?<\/\1>/gi, ' ').replace(/<[^>]*>/g, ' ')
    const short = plain.replace(/\s+/g, ' ').trim()
    return { fault: null, text: short === '' ? null : short.slice(0, 200) }
  }
  if (!isObject(body)) return { fault: null, text: null }
  if (typeof body['message'] === 'string') return { fault: null, text: body['message'] }
  for (const [fault, value] of Object.entries(body)) {
    if (isObject(value) && typeof value['message'] === 'string') return { fault, text: value['message'] }
  }
  return { fault: null, text: null }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Seconds, or a date (RFC 9110, 10.2.3). */
function readRetryAfter(header: string | undefined): number | null {
  if (header === undefined || header.trim() === '') return null
  const seconds = Number(header)
  if (Number.isFinite(seconds)) return Math.max(0, seconds)
  const date = Date.parse(header)
  return Number.isNaN(date) ? null : Math.max(0, Math.ceil((date - Date.now()) / 1000))
}
