import { CodedError } from '../errors/coded-error.js'
import { CommandFailed } from './command-errors.js'
import { leastOsdCaps } from './least-caps.js'
import type { RbdAccess } from './rbd-access.js'
import type { Command } from './run-command.js'

/** An image's name; the id is that of an image in the trash, which has no name any more. */
export type ImageName = string | { id: string }

/** An image, or one RBD snapshot of it. */
export interface RbdObject<Image extends ImageName = string> {
  image: Image
  snapshot: string | null
}

/**
 * Remarks on configuration, sockets and log files also reach stderr, on many clouds with every command; what `rbd`
 * itself says, or the libraries that read data, is a failure.
 */
const complaints = /^rbd: |librbd|librados|objecter/

export function isRbdComplaint(line: string): boolean {
  return complaints.test(line)
}

/**
 * @param verb e.g. `['snap', 'ls']`
 * @param object null for the pool itself
 * @param rest what follows the object, e.g. the output's path
 */
export function rbdCommand(
  { conf, user, keyring, pool }: RbdAccess,
  verb: string[],
  object: RbdObject<ImageName> | null,
  rest: string[] = [],
): Command {
  const identity = ['--conf', conf, '--id', user, ...(keyring === undefined ? [] : ['--keyring', keyring])]
  const place = ['--pool', pool, ...(object === null ? [] : imageOptions(object))]
  return {
    name: 'rbd',
    args: [...verb, ...identity, ...place, ...rest],
    title: `rbd ${verb.join(' ')} ${object === null ? pool : spec(pool, object)}`,
    packageName: 'ceph-common',
    isComplaint: isRbdComplaint,
  }
}

function imageOptions({ image, snapshot }: RbdObject<ImageName>): string[] {
  const named = typeof image === 'string' ? ['--image', image] : ['--image-id', image.id]
  return snapshot === null ? named : [...named, '--snap', snapshot]
}

/** As people write it: `pool/image@snapshot`. */
export function spec(pool: string, { image, snapshot }: RbdObject<ImageName>): string {
  const name = typeof image === 'string' ? image : `${image.id} in the trash`
  return `${pool}/${name}${snapshot === null ? '' : `@${snapshot}`}`
}

/** What a failure of `rbd` means, where that is known: its exit codes are errno's, its texts say whose. */
export function explainRbdFailure(error: unknown, access: RbdAccess, image: ImageName): unknown {
  const { pool, setting = 'sources[]' } = access
  const name = spec(pool, { image, snapshot: null })
  if (!(error instanceof CommandFailed)) return error
  const said = error.stderr.join('\n')
  const login = explainLogin(said, access, error)
  if (login !== undefined) return login
  if (said.includes('error opening image') && error.exitCode === 2) {
    return new CodedError('CK-SOURCE-IMAGE-MISSING', `the image ${name} does not exist`, {
      cure: `Either it was deleted, or ${setting} leads to the wrong cluster or pool.`,
      cause: error,
    })
  }
  if (said.includes('error opening pool') && error.exitCode === 2) {
    return new CodedError('CK-SOURCE-POOL-MISSING', `the pool ${pool} does not exist in this cluster`, {
      cure: `Set ${setting}.pool to the right pool (of a source: Cinder's rbd_pool), and ${setting}.conf to its cluster's ceph.conf.`,
      cause: error,
    })
  }
  if (!isDenied(error)) return error
  return new CodedError('CK-SOURCE-DENIED', `client.${access.user} is not allowed to do this with ${name}: ${said}`, {
    cure:
      access.setting === undefined
        ? readerRights(access)
        : `Give it the rights that docs/ceph.md names for ${setting}.`,
    cause: error,
  })
}

/** The least that suffices for reading and for RBD snapshots, not for writing a tenant's data. */
function readerRights(access: RbdAccess): string {
  return `Give it at least: ceph auth caps client.${access.user} mon 'profile rbd' osd '${leastOsdCaps(access)}'`
}

/** What every program of Ceph says when it does not get as far as a pool. */
function explainLogin(
  said: string,
  { conf, user, keyring, setting = 'sources[]' }: RbdAccess,
  cause: CommandFailed,
): CodedError | undefined {
  if (said.includes('unable to open config file')) {
    return new CodedError('CK-SOURCE-CONF', `the configuration ${conf} of the cluster cannot be read`, {
      cure: `Put the cluster's ceph.conf there, readable for the user that Cinderkeep runs as, or mend ${setting}.conf.`,
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
    cure: `Write what \`ceph auth get client.${user}\` shows on that cluster into a keyring that this process can read (${setting}.keyring).`,
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
