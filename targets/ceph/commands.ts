/** The short commands of this target, each ended when it takes too long. */
import { CodedError } from '../../errors/coded-error.js'
import { CommandFailed } from '../../source/command-errors.js'
import type { RbdAccess } from '../../source/rbd-access.js'
import { explainRbdFailure, rbdCommand } from '../../source/rbd-command.js'
import { runCommand, type Command, type CommandOptions } from '../../source/run-command.js'

export interface Asking {
  access: RbdAccess
  signal?: AbortSignal | undefined
  /** null for what takes as long as the image is large. */
  timeoutMs: number | null
}

/** `rbd VERB… --image … [--snap …] REST…` @throws CodedError `CK-SOURCE-…`, `CK-TARGET-AWAY` */
export async function runRbd(
  { access, ...how }: Asking,
  verb: string[],
  { image, snapshot = null }: { image: string; snapshot?: string | null },
  rest: string[] = [],
): Promise<string> {
  return explained(access, image, async () =>
    runCommand(rbdCommand(access, verb, { image, snapshot }, rest), limits(how)),
  )
}

/** `rbd VERB… --pool …`, of no image. */
export async function runRbdPool({ access, ...how }: Asking, verb: string[]): Promise<string> {
  const { conf, user, keyring, pool } = access
  const identity = ['--conf', conf, '--id', user, ...(keyring === undefined ? [] : ['--keyring', keyring])]
  const command: Command = {
    name: 'rbd',
    args: [...verb, ...identity, '--pool', pool],
    title: `rbd ${verb.join(' ')} ${pool}`,
    packageName: 'ceph-common',
    isComplaint: () => false,
  }
  return explained(access, '', async () => runCommand(command, limits(how)))
}

export async function runCeph({ access, ...how }: Asking, args: string[]): Promise<string> {
  return explained(access, '', async () => runCommand(cephCommand('ceph', access, args), limits(how)))
}

export function limits({ signal, timeoutMs }: Omit<Asking, 'access'>): CommandOptions {
  return { signal, ...(timeoutMs !== null && { timeoutMs }) }
}

/** @param args after `--pool` */
export function radosCommand(access: RbdAccess, args: string[]): Command {
  return cephCommand('rados', access, ['--pool', access.pool, ...args])
}

function cephCommand(name: 'ceph' | 'rados', { conf, user, keyring }: RbdAccess, args: string[]): Command {
  const identity = ['--conf', conf, '--id', user, ...(keyring === undefined ? [] : ['--keyring', keyring])]
  // both remark on what they do on stderr; what they could not do is in their exit code
  return {
    name,
    args: [...identity, ...args],
    title: `${name} ${args.join(' ')}`,
    packageName: 'ceph-common',
    isComplaint: () => false,
  }
}

export async function explained<T>(access: RbdAccess, image: string, act: () => Promise<T>): Promise<T> {
  try {
    return await act()
  } catch (error) {
    throw explain(access, image, error)
  }
}

/** Makes of a failure what it means: a cluster that does not answer is no fault of the copy. */
export function explain(access: RbdAccess, image: string, error: unknown): unknown {
  return isAway(error) ? clusterAway(access, error) : explainRbdFailure(error, access, image)
}

export function isAway(error: unknown): boolean {
  return (
    error instanceof CommandFailed &&
    (error.message.includes('it took longer than') ||
      /\(110\) Connection timed out|error connecting to the cluster|couldn't connect/.test(error.stderr.join('\n')))
  )
}

export function clusterAway({ conf, pool }: RbdAccess, cause: unknown): CodedError {
  return new CodedError('CK-TARGET-AWAY', `the cluster of ${conf}, which holds copies in ${pool}, does not answer`, {
    cure: 'Look at its monitors and OSDs (ceph -s) and at the way to it. It is tried again by itself; nothing is concluded about copies.',
    cause,
  })
}

/** The command found nothing (ENOENT), whichever object it was asked for. */
export function saysMissing(error: unknown): boolean {
  return error instanceof CommandFailed && error.stderr.join('\n').includes('(2) No such file or directory')
}

export function isImageMissing(error: unknown): boolean {
  return error instanceof CodedError && error.code === 'CK-SOURCE-IMAGE-MISSING'
}
