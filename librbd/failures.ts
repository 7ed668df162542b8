import { constants } from 'node:os'

/** A call of librados or librbd failed; `errno` is what it returned, as a positive number. */
export class LibrbdError extends Error {
  override readonly name = 'LibrbdError'
  readonly errno: number

  constructor(what: string, errno: number) {
    super(`${what}: (${errno}) ${nameOf(errno)}`)
    this.errno = errno
  }
}

/** @throws LibrbdError with the words of the `rbd` command where there are some, so that one place explains both */
export function check(result: number | bigint, what: string): void {
  if (result < 0) throw new LibrbdError(what, -Number(result))
}

/** Those by which something is recognised are told as Ceph's programs tell them. */
const words: Record<number, string> = {
  [constants.errno.EPERM]: 'Operation not permitted',
  [constants.errno.ENOENT]: 'No such file or directory',
  [constants.errno.EACCES]: 'Permission denied',
  [constants.errno.ETIMEDOUT]: 'Connection timed out',
}

function nameOf(errno: number): string {
  const named = Object.entries(constants.errno).find(([, value]) => value === errno)
  return words[errno] ?? named?.[0] ?? 'an error of Ceph'
}
