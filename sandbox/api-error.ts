/** A refusal, in the words and the shape of the service that refuses. */
export class ApiError extends Error {
  override readonly name = 'ApiError'
  readonly status: number
  readonly headers: Record<string, string>

  constructor(status: number, message: string, headers: Record<string, string> = {}) {
    super(message)
    this.status = status
    this.headers = headers
  }
}

/** Cinder's names (api/openstack/wsgi.py, `Fault._fault_names`). */
const faultNames: Partial<Record<number, string>> = {
  400: 'badRequest',
  401: 'unauthorized',
  403: 'forbidden',
  404: 'itemNotFound',
  405: 'badMethod',
  409: 'conflictingRequest',
  413: 'overLimit',
  415: 'badMediaType',
  501: 'notImplemented',
  503: 'serviceUnavailable',
}

/** `{"badRequest": {"code": 400, "message": "…"}}`, with `retryAfter` on a 413. */
export function cinderFault(error: ApiError): unknown {
  const retryAfter = error.headers['Retry-After']
  return {
    [faultNames[error.status] ?? 'computeFault']: {
      code: error.status,
      message: error.message,
      ...(error.status === 413 && retryAfter !== undefined ? { retryAfter } : {}),
    },
  }
}

const keystoneTitles: Partial<Record<number, string>> = {
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  409: 'Conflict',
}

/** `{"error": {"code": 401, "message": "…", "title": "Unauthorized"}}` */
export function keystoneFault(error: ApiError): unknown {
  return { error: { code: error.status, message: error.message, title: keystoneTitles[error.status] ?? 'Error' } }
}

export const badRequest = (message: string): ApiError => new ApiError(400, message)
/** An action that the object does not know. */
export const noAction = (name = ''): ApiError =>
  badRequest(`There is no such action: ${name}. Verify the request body and Content-Type header and try again.`)
export const forbidden = (action: string): ApiError =>
  new ApiError(403, `Policy doesn't allow ${action} to be performed.`)
/** `Volume <id> could not be found.` */
export const notFound = (kind: string, id: string): ApiError => new ApiError(404, `${kind} ${id} could not be found.`)
/** Quota errors carry `Retry-After: 0`, which makes a naive client loop (facts/openstack.md 2). */
export const overLimit = (exception: string, message: string): ApiError =>
  new ApiError(413, `${exception}: ${message}`, { 'Retry-After': '0' })
