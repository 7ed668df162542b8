/** RBD snapshots of our own on an image, the records about them in its metadata, and images that wait in the trash. */
import { z } from 'zod'
import { CodedError } from '../errors/coded-error.js'
import { CommandFailed } from './command-errors.js'
import type { RbdAccess } from './rbd-access.js'
import { explainRbdFailure, rbdCommand, type ImageName } from './rbd-command.js'
import { listAllRbdSnapshots, listRbdSnapshots, rbdTimeoutMs, type RbdSnapshot } from './rbd-queries.js'
import { runCommand } from './run-command.js'
import { understand } from './understand.js'

/**
 * Makes an RBD snapshot that is not there yet. Its id is not told: that would be another run of `rbd`, and guests stand still.
 * @throws CodedError as `listRbdSnapshots`; `CK-SNAPSHOT-EXISTS`
 */
export async function createNewRbdSnapshot(access: RbdAccess, image: string, name: string): Promise<void> {
  try {
    await change(access, ['snap', 'create'], image, name)
  } catch (error) {
    if (!failedWith(error, errno.exists)) throw error
    throw new CodedError('CK-SNAPSHOT-EXISTS', `${access.pool}/${image}@${name} was there before`, {
      cure: 'Nothing: it is taken for what it is, a snapshot of an earlier try.',
    })
  }
}

/**
 * Makes an RBD snapshot, or finds the one of this name: names are ours alone, so that is an earlier try of the same act.
 * @returns it, with its id
 * @throws CodedError as `listRbdSnapshots`; `CK-CAPTURE-LOST`
 */
export async function createRbdSnapshot(access: RbdAccess, image: string, name: string): Promise<RbdSnapshot> {
  try {
    await change(access, ['snap', 'create'], image, name)
  } catch (error) {
    if (!failedWith(error, errno.exists)) throw error
  }
  const made = (await listRbdSnapshots(access, image)).find((one) => one.name === name)
  if (made !== undefined) return made
  throw new CodedError('CK-CAPTURE-LOST', `${access.pool}/${image}@${name} was deleted as soon as it was made`, {
    cure: 'Look who else removes snapshots of this name; a new one is made with the next try.',
  })
}

/**
 * Removes an RBD snapshot; one that is gone, with its image or without, is what was wanted.
 * @param image a name, or the id of an image that waits in the trash
 * @param snapshot with an id, one that has the name and another id is left alone
 * @returns whether there was one
 * @throws CodedError as `listRbdSnapshots`; `CK-SOURCE-COMMAND` for one that is protected
 */
export async function removeRbdSnapshot(
  access: RbdAccess,
  image: ImageName,
  { name, id }: { name: string; id?: number | undefined },
): Promise<boolean> {
  try {
    const all = await listAllRbdSnapshots(access, image)
    const found = all.find((one) => one.name === name && (id === undefined || one.id === id))
    if (found === undefined) return false
    // by its id: one whose removal was broken off has another name. `rbd` takes no `--no-progress` with it
    const one = rbdCommand(access, ['snap', 'rm'], { image, snapshot: null }, ['--snap-id', String(found.id)])
    await runRbd(access, image, one)
    return true
  } catch (error) {
    if (isMissingImage(error) || failedWith(error, errno.missing)) return false
    throw error
  }
}

const metadata = z.record(z.string(), z.string())

/**
 * What an image's metadata says, by key. Does not name what a pool or cluster configures.
 * @throws CodedError as `listRbdSnapshots`
 */
export async function listImageMeta(access: RbdAccess, image: string): Promise<Map<string, string>> {
  const command = rbdCommand(access, ['image-meta', 'list'], { image, snapshot: null }, ['--format', 'json'])
  const answer = await runRbd(access, image, command)
  // older versions say nothing where there is nothing
  return new Map(answer.trim() === '' ? [] : Object.entries(understand(metadata, answer, command)))
}

/** Sets or replaces one entry; at most some tens of KiB. @throws CodedError as `listRbdSnapshots` */
export async function setImageMeta(access: RbdAccess, image: string, key: string, value: string): Promise<void> {
  const command = rbdCommand(access, ['image-meta', 'set'], { image, snapshot: null }, [key, value])
  await runRbd(access, image, command)
}

/** One that is not there is what was wanted, as is a missing image. @throws CodedError as `listRbdSnapshots` */
export async function removeImageMeta(access: RbdAccess, image: string, key: string): Promise<void> {
  try {
    await runRbd(access, image, rbdCommand(access, ['image-meta', 'remove'], { image, snapshot: null }, [key]))
  } catch (error) {
    if (!isMissingImage(error) && !failedWith(error, errno.missing)) throw error
  }
}

/** An image that was deleted and could not go. */
export interface TrashedImage {
  id: string
  /** What it was called. */
  name: string
  /** Milliseconds since the epoch, whole seconds; NaN where `rbd` does not tell. */
  deletedAt: number
}

const trash = z.array(z.looseObject({ id: z.string(), name: z.string(), deleted_at: z.string().optional() }))

/** All images of the pool's trash, also those that wait for another reason. @throws CodedError as `listRbdSnapshots` */
export async function listTrash(access: RbdAccess): Promise<TrashedImage[]> {
  const command = rbdCommand(access, ['trash', 'ls'], null, ['--all', '--long', '--format', 'json'])
  const images = understand(trash, await runRbd(access, '', command), command)
  // as `ctime` writes it, in this machine's zone
  return images.map(({ id, name, deleted_at: at }) => ({ id, name, deletedAt: Date.parse(at ?? '') }))
}

/**
 * Deletes an image of the trash for good; one that is gone is what was wanted. It needs the right to delete data, which
 * a mover's user should not have.
 * @throws CodedError as `listRbdSnapshots`; `CK-SOURCE-COMMAND` while the image has a snapshot
 */
export async function removeFromTrash(access: RbdAccess, { id }: { id: string }): Promise<void> {
  try {
    await runRbd(
      access,
      { id },
      rbdCommand(access, ['trash', 'rm'], { image: { id }, snapshot: null }, ['--no-progress']),
    )
  } catch (error) {
    if (!isMissingImage(error) && !failedWith(error, errno.missing)) throw error
  }
}

/** Exit codes of `rbd`. */
const errno = { missing: 2, exists: 17 }

function failedWith(error: unknown, exitCode: number): boolean {
  return error instanceof CommandFailed && error.exitCode === exitCode
}

function isMissingImage(error: unknown): boolean {
  return error instanceof CodedError && error.code === 'CK-SOURCE-IMAGE-MISSING'
}

async function change(access: RbdAccess, verb: string[], image: ImageName, snapshot: string): Promise<void> {
  await runRbd(access, image, rbdCommand(access, verb, { image, snapshot }, ['--no-progress']))
}

async function runRbd(access: RbdAccess, image: ImageName, command: ReturnType<typeof rbdCommand>): Promise<string> {
  try {
    return await runCommand(command, { timeoutMs: rbdTimeoutMs })
  } catch (error) {
    throw explainRbdFailure(error, access, image)
  }
}
