/** How the acts of this target reach a cluster: through librbd, in a process that ends with the act. */
import { CodedError } from '../../errors/coded-error.js'
import type { ActName, Answer, Given } from '../../librbd/acts.js'
import type { Hands } from '../../librbd/hands.js'
import type { Place } from '../../librbd/places.js'
import { CommandFailed } from '../../source/command-errors.js'
import { leafCount } from '../../source/root-of-leaves.js'
import type { RbdAccess } from '../../source/rbd-access.js'
import { explainRbdFailure } from '../../source/rbd-command.js'
import { accessOf, type CephSetting } from './setting.js'

export interface Asking {
  hands: Hands
  access: RbdAccess
  /** For what is short; what takes longer is ended. */
  timeoutMs: number
}

/** Runs an act of the target as one of its two users. */
export async function withAsking<T>(
  setting: CephSetting,
  role: 'write' | 'remove',
  signal: AbortSignal,
  act: (asking: Asking) => Promise<T>,
): Promise<T> {
  return setting.withHands(signal, async (hands) =>
    act({ hands, access: accessOf(setting, role), timeoutMs: setting.pace.commandMs }),
  )
}

/**
 * @param image for the error
 * @throws CodedError `CK-SOURCE-…`, `CK-SOURCE-AWAY` or `CK-TARGET-AWAY`; CommandFailed
 */
export async function ask<Name extends ActName>(
  asking: Asking,
  act: Name,
  given: Given<Name>,
  { image = '', timeoutMs = asking.timeoutMs }: { image?: string; timeoutMs?: number } = {},
): Promise<Answer<Name>> {
  return explained<Answer<Name>>(asking.access, image, async () => asking.hands.do(act, given, timeoutMs))
}

export function placeOf({ conf, user, keyring, pool }: RbdAccess): Place {
  return { conf, user, keyring: keyring ?? null, pool }
}

/** For an act that goes through an image object by object; a loaded cluster takes a millisecond for each. */
export function walkMs({ timeoutMs }: Asking, sizeBytes: number): number {
  return timeoutMs + 10 * leafCount(sizeBytes)
}

/** An image of the pool, opened for each act. */
export function imageAt({ access }: Pick<Asking, 'access'>, image: string) {
  return { place: placeOf(access), image }
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

function isAway(error: unknown): boolean {
  return (
    error instanceof CommandFailed &&
    (error.exitCode === 110 ||
      error.message.includes('it took longer than') ||
      /error connecting to the cluster|couldn't connect.*\(110\)/.test(error.stderr.join('\n')))
  )
}

function clusterAway({ conf, pool, setting }: RbdAccess, cause: unknown): CodedError {
  const [code, what] =
    setting === undefined ? (['CK-SOURCE-AWAY', 'volumes'] as const) : (['CK-TARGET-AWAY', 'copies'] as const)
  return new CodedError(code, `the cluster of ${conf}, which holds ${what} in ${pool}, does not answer`, {
    cure: 'Look at its monitors and OSDs (ceph -s) and at the way to it. It is tried again by itself; nothing is concluded about copies.',
    cause,
  })
}

/** ENOENT, whichever object was asked for. */
export function saysMissing(error: unknown): boolean {
  return error instanceof CommandFailed && error.exitCode === 2
}

/** EIO: every replica of an object is damaged. */
export function saysUnreadable(error: unknown): boolean {
  return error instanceof CommandFailed && error.exitCode === 5
}

export function isImageMissing(error: unknown): boolean {
  return error instanceof CodedError && error.code === 'CK-SOURCE-IMAGE-MISSING'
}
