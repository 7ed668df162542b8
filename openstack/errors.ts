import { CodedError } from '../errors/coded-error.js'

/** Codes of what a cloud answers, or fails to answer. `CK-CLOUD-CONFIG` is a plain CodedError. */
export type CloudCode =
  | 'CK-CLOUD-UNAUTHORIZED'
  | 'CK-CLOUD-FORBIDDEN'
  | 'CK-CLOUD-NOT-FOUND'
  | 'CK-VOLUME-GONE'
  | 'CK-SNAPSHOT-GONE'
  | 'CK-BACKUP-GONE'
  | 'CK-SERVER-GONE'
  | 'CK-CLOUD-BAD-REQUEST'
  | 'CK-CLOUD-CONFLICT'
  | 'CK-CLOUD-QUOTA'
  | 'CK-CLOUD-RATE-LIMIT'
  | 'CK-CLOUD-UNAVAILABLE'
  | 'CK-CLOUD-ANSWER-LOST'
  | 'CK-CLOUD-ANSWER-INVALID'
  | 'CK-CLOUD-MICROVERSION'

const cures: Record<CloudCode, string> = {
  'CK-CLOUD-UNAUTHORIZED':
    'Check the user, the password or the application credential, and their domains, of the cloud that is configured.',
  'CK-CLOUD-FORBIDDEN':
    'Give the identity the role that this call needs (admin, unless the policy files say otherwise).',
  'CK-CLOUD-NOT-FOUND': 'Check the name or id, and that the catalogue leads to the right service.',
  'CK-VOLUME-GONE': 'Nothing, when somebody deleted the volume; else check the project and the region.',
  'CK-SNAPSHOT-GONE': 'Nothing, when somebody deleted the snapshot: the next archive makes its own.',
  'CK-BACKUP-GONE': 'Nothing, when somebody deleted the backup; else check the project and the region.',
  'CK-SERVER-GONE': 'Nothing, when somebody deleted the server; else check the project and the region.',
  'CK-CLOUD-BAD-REQUEST': 'Read what the service says: most often the object is in a state that does not allow this.',
  'CK-CLOUD-CONFLICT': 'Wait until the other operation on this object has ended.',
  'CK-CLOUD-QUOTA':
    "Raise the quota of the project that Cinderkeep works in, or remove what fills it ('cinder limits').",
  'CK-CLOUD-RATE-LIMIT':
    'Nothing; it is tried again later. If it stays, raise the rate limit of the proxy before the API.',
  'CK-CLOUD-UNAVAILABLE': 'Check that the service and the way to it are up; it is tried again.',
  'CK-CLOUD-ANSWER-LOST':
    'Nothing; Cinderkeep looks whether it was done before it asks again. If it stays, look at the proxy before the API.',
  'CK-CLOUD-ANSWER-INVALID':
    'Check that the address leads to the service itself; if it does, report this with the path shown.',
  'CK-CLOUD-MICROVERSION': 'Use a cloud of the release that is named, or later.',
}

/** What every request is told apart by in messages and in the log. */
export interface CallInfo {
  /** `Cinder`, `Nova`, `Glance` or `Keystone`. */
  service: string
  method: string
  /** Without host, project and query. */
  path: string
  /** The service's own id once it has answered, else the one that was sent. */
  requestId: string
}

export interface CloudErrorDetails extends CallInfo {
  status?: number | undefined
  /** Seconds the service asks us to stay away; null when it does not say. */
  retryAfterSeconds?: number | null
  /** The name of the service's own error object: `itemNotFound`, `overLimit`, …; null when it is not its own. */
  fault?: string | null
  /** The service's own words. */
  said?: string | null
  cure?: string
}

/** A request that failed. Its text and fields hold no secret: what is known to be one is replaced before. */
export class CloudError extends CodedError {
  override readonly name: string = 'CloudError'
  declare readonly code: CloudCode
  /** The HTTP status, or null when there was no answer. */
  readonly status: number | null
  readonly method: string
  readonly path: string
  readonly requestId: string
  readonly retryAfterSeconds: number | null
  readonly fault: string | null
  readonly said: string | null

  constructor(code: CloudCode, what: string, details: CloudErrorDetails) {
    const said = details.said ? `: "${details.said}"` : ''
    const answer = details.status === undefined ? '' : `${details.status}, `
    super(
      code,
      `${details.service} ${details.method} ${details.path}: ${what}${said} (${answer}request id ${details.requestId})`,
      { cure: details.cure ?? cures[code] },
    )
    this.status = details.status ?? null
    this.method = details.method
    this.path = details.path
    this.requestId = details.requestId
    this.retryAfterSeconds = details.retryAfterSeconds ?? null
    this.fault = details.fault ?? null
    this.said = details.said ?? null
  }
}

/** True for an error of this cloud with one of these codes. */
export function isCloudError(error: unknown, ...codes: CloudCode[]): error is CloudError {
  return error instanceof CloudError && (codes.length === 0 || codes.includes(error.code))
}

/** Wrong input: says where, what was found and what was expected. */
export function cloudConfigError(message: string, cure?: string): CodedError {
  return new CodedError('CK-CLOUD-CONFIG', message, {
    cure: cure ?? 'Mend the entry of clouds.yaml or the OS_* variable that is named.',
  })
}
