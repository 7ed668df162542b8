import { CodedError } from '../errors/coded-error.js'
import { CommandFailed } from './command-errors.js'
import type { RbdSourceOptions } from './options.js'
import type { Command } from './run-command.js'

/** An image, or one RBD snapshot of it. */
export interface RbdObject {
  image: string
  snapshot: string | null
}

/**
 * Remarks on configuration, sockets and log files also reach stderr, on many clouds with every command; what `rbd`
 * itself says, or the libraries that read data, is a failure.
 */
const complaints = /^rbd: |librbd|librados|objecter/

/** @param verb e.g. `['snap', 'ls']` @param rest what follows the object, e.g. the output's path */
export function rbdCommand(
  { conf, user, keyring, pool }: RbdSourceOptions,
  verb: string[],
  { image, snapshot }: RbdObject,
  rest: string[] = [],
): Command {
  const identity = ['--conf', conf, '--id', user, ...(keyring === undefined ? [] : ['--keyring', keyring])]
  const object = ['--pool', pool, '--image', image, ...(snapshot === null ? [] : ['--snap', snapshot])]
  return {
    name: 'rbd',
    args: [...verb, ...identity, ...object, ...rest],
    title: `rbd ${verb.join(' ')} ${spec(pool, { image, snapshot })}`,
    packageName: 'ceph-common',
    isComplaint: (line) => complaints.test(line),
  }
}

export function spec(pool: string, { image, snapshot }: RbdObject): string {
  return `${pool}/${image}${snapshot === null ? '' : `@${snapshot}`}`
}

/** What a failure of `rbd` means, where that is known: its exit codes are errno's, its texts say whose. */
export function explainRbdFailure(error: unknown, { pool, parents, user }: RbdSourceOptions, image: string): unknown {
  if (!(error instanceof CommandFailed)) return error
  const said = error.stderr.join('\n')
  if (said.includes('error opening image') && error.exitCode === 2) {
    return new CodedError('CK-SOURCE-IMAGE-MISSING', `the image ${pool}/${image} does not exist`, {
      cure: 'Either the volume was deleted, or sources[].match leads to the wrong cluster or pool.',
      cause: error,
    })
  }
  if (said.includes('error opening pool') && error.exitCode === 2) {
    return new CodedError('CK-SOURCE-POOL-MISSING', `the pool ${pool} does not exist in this cluster`, {
      cure: "Set sources[].pool to Cinder's rbd_pool and sources[].conf to that cluster's ceph.conf.",
      cause: error,
    })
  }
  if (isDenied(error)) {
    const pools = [pool, ...parents].map((name) => `allow rx pool=${name}`).join(', ')
    return new CodedError('CK-SOURCE-DENIED', `client.${user} may not read ${pool}/${image}: ${said}`, {
      cure: `Give it at least: ceph auth caps client.${user} mon 'profile rbd' osd '${pools}'`,
      cause: error,
    })
  }
  return error
}

/** EPERM or EACCES from the cluster, not from a file on this machine. */
export function isDenied(error: unknown): boolean {
  return (
    error instanceof CommandFailed &&
    (error.exitCode === 1 || error.exitCode === 13) &&
    /\((1|13)\) (Operation not permitted|Permission denied)/.test(error.stderr.join('\n'))
  )
}
