import { CodedError } from '../errors/coded-error.js'

export function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT'
}

/** What the operating system refused, e.g. EACCES or EIO. */
export function fileFailure(path: string, cause: unknown): CodedError {
  const why = cause instanceof Error ? cause.message : String(cause)
  return new CodedError('CK-SOURCE-FILE', `cannot read ${path}: ${why}`, {
    cure: "Look at the file's rights and at the machine's log of its disks; the mover's user must be able to read it.",
    cause,
  })
}

export function fileMissing(path: string): CodedError {
  return new CodedError('CK-SOURCE-IMAGE-MISSING', `${path} does not exist`, {
    cure: 'Either the volume was deleted, or sources[].dir is wrong or not mounted on this mover.',
  })
}

export function fileLost(path: string, what: string): CodedError {
  return new CodedError('CK-CAPTURE-LOST', `${path} ${what}`, {
    cure: 'What was read is thrown away and a new capture is needed; look in Cinder who deletes snapshots.',
  })
}
