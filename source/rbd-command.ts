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
export function explainRbdFailure(error: unknown, options: RbdSourceOptions, image: string): unknown {
  const { pool, parents, user } = options
  if (!(error instanceof CommandFailed)) return error
  const said = error.stderr.join('\n')
  const login = explainLogin(said, options, error)
  if (login !== undefined) return login
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

/** What every program of Ceph says when it does not get as far as a pool. */
function explainLogin(
  said: string,
  { conf, user, keyring }: RbdSourceOptions,
  cause: CommandFailed,
): CodedError | undefined {
  if (said.includes('unable to open config file')) {
    return new CodedError('CK-SOURCE-CONF', `the configuration ${conf} of the cluster cannot be read`, {
      cure: "Put the cluster's ceph.conf there, readable for the user that Cinderkeep runs as, or mend sources[].conf.",
      cause,
    })
  }
  const noKeyring = said.includes('unable to find a keyring')
  if (!noKeyring && !said.includes('handle_auth_bad_method')) return undefined
  const where = keyring ?? `the keyring that ${conf} or Ceph's defaults name`
  const what = noKeyring
    ? `there is no key of client.${user}: ${where} does not exist or cannot be read`
    : `the cluster of ${conf} does not accept the key of client.${user}`
  return new CodedError('CK-SOURCE-KEY', what, {
    cure: `Write what \`ceph auth get client.${user}\` shows on that cluster into a keyring that the mover can read (sources[].keyring).`,
    cause,
  })
}

/** EPERM or EACCES from the cluster, not from a file on this machine. */
export function isDenied(error: unknown): boolean {
  return (
    error instanceof CommandFailed &&
    (error.exitCode === 1 || error.exitCode === 13) &&
    /\((1|13)\) (Operation not permitted|Permission denied)/.test(error.stderr.join('\n'))
  )
}
