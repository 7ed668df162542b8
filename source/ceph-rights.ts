/** What a cluster lets our user do beyond reading; for `doctor`. */
import { randomUUID } from 'node:crypto'
import { z } from 'zod'
import { CommandFailed } from './command-errors.js'
import type { RbdAccess } from './rbd-access.js'
import { explainRbdFailure, isDenied } from './rbd-command.js'
import { rbdImageInfo } from './rbd-queries.js'
import { runCommand, type Command, type CommandOptions } from './run-command.js'
import { CodedError } from '../errors/coded-error.js'
import { understand } from './understand.js'

/** A user's capabilities as the monitors keep them. */
export interface CephCaps {
  mon: string
  osd: string
}

/** No program of ours or of Cinder's makes an image of this name. */
const noImage = 'cinderkeep-doctor-looks-for-nothing'

/**
 * Returns when the pool exists and images in it could be read. What is asked for is an image that does not exist: only a
 * user who may read the pool is told so.
 * @throws CodedError `CK-SOURCE-…`
 */
export async function mustReadPool(options: RbdAccess, pool: string, run: CommandOptions = {}): Promise<void> {
  try {
    const parents = [options.pool, ...options.parents].filter((other) => other !== pool)
    await rbdImageInfo({ ...options, pool, parents }, noImage, run)
  } catch (error) {
    if (error instanceof CodedError && error.code === 'CK-SOURCE-IMAGE-MISSING') return
    throw error
  }
}

/** What the names of RBD's objects begin with: bytes, names of images, what changes with an RBD snapshot. */
export const rbdObjects = {
  data: 'rbd_data.',
  names: 'rbd_id.',
  headers: 'rbd_header.',
  objectMaps: 'rbd_object_map.',
} as const

/**
 * Whether the user could write or delete objects whose names begin so. To see it, an object is asked to be removed that
 * cannot exist: Ceph looks at the right first, and then finds nothing to remove.
 * @throws CodedError `CK-SOURCE-…`
 */
export async function mayChangeObjects(
  options: RbdAccess,
  pool: string,
  prefix: string,
  run: CommandOptions = {},
): Promise<boolean> {
  const object = `${prefix}cinderkeep-doctor-${randomUUID()}`
  try {
    await runCommand(command('rados', options, ['--pool', pool, 'rm', object], `rados rm ${pool}/${object}`), run)
  } catch (error) {
    if (isDenied(error)) return false
    if (!(error instanceof CommandFailed) || !error.stderr.join('\n').includes('(2) No such file')) {
      throw explainRbdFailure(error, { ...options, pool }, object)
    }
  }
  return true
}

const authAnswer = z.array(
  z.looseObject({ caps: z.looseObject({ mon: z.string().nullish(), osd: z.string().nullish() }) }),
)

/** The user's own capabilities, or null where it may not see them: only users with far too many rights may. */
export async function capsOf(options: RbdAccess, run: CommandOptions = {}): Promise<CephCaps | null> {
  const asked = command('ceph', options, ['auth', 'get', `client.${options.user}`, '--format', 'json'], 'ceph auth get')
  try {
    // the answer holds the key as well: nothing but the capabilities leaves this function
    const answer = await runCommand(asked, run)
    const caps = understandCaps(answer, asked)
    return { mon: caps?.mon ?? '', osd: caps?.osd ?? '' }
  } catch (error) {
    if (error instanceof CommandFailed && /EACCES|EPERM|\((1|13)\)/.test(error.stderr.join('\n'))) return null
    throw explainRbdFailure(error, options, '')
  }
}

function understandCaps(answer: string, asked: Command) {
  try {
    return authAnswer.parse(JSON.parse(answer))[0]?.caps
  } catch {
    // never with what was answered in it
    return understand(authAnswer, '', asked)[0]?.caps
  }
}

function command(name: 'ceph' | 'rados', { conf, user, keyring }: RbdAccess, args: string[], title: string): Command {
  const identity = ['--conf', conf, '--id', user, ...(keyring === undefined ? [] : ['--keyring', keyring])]
  return { name, args: [...identity, ...args], title, packageName: 'ceph-common', isComplaint: () => false }
}
