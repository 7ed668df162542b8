/** The short questions to a cluster; each is one run of `rbd` with JSON as its answer. */
import { z } from 'zod'
import { CodedError } from '../errors/coded-error.js'
import type { RbdAccess } from './rbd-access.js'
import { explainRbdFailure, isDenied, rbdCommand, type ImageName } from './rbd-command.js'
import { understand } from './understand.js'
import { runCommand, type CommandOptions } from './run-command.js'

/** A cluster that is away makes librados wait for 5 minutes; one that answers does so within a second. */
export const rbdTimeoutMs = 120_000

const natural = z.number().int().nonnegative()
const snapshots = z.array(
  z.looseObject({
    id: natural,
    name: z.string(),
    size: natural,
    namespace: z.looseObject({ type: z.string(), original_name: z.string().optional() }).optional(),
  }),
)
const info = z.looseObject({ id: z.string(), size: natural })
const status = z.looseObject({
  // older releases name them in an object instead of a list
  watchers: z.union([z.array(watcherSchema()), z.record(z.string(), watcherSchema())]),
})

function watcherSchema() {
  return z.looseObject({ address: z.string(), client: natural })
}

export interface RbdSnapshot {
  /** Given once in a pool's life, so it tells a snapshot from a later one of the same name. */
  id: number
  name: string
  /** Of the image when the snapshot was made. */
  size: number
}

/** @throws CodedError `CK-SOURCE-IMAGE-MISSING`, `CK-SOURCE-POOL-MISSING`, `CK-SOURCE-DENIED`, `CK-SOURCE-COMMAND` */
export async function listRbdSnapshots(options: RbdAccess, image: ImageName): Promise<RbdSnapshot[]> {
  return (await listAllRbdSnapshots(options, image)).flatMap(({ isGoing, ...one }) => (isGoing ? [] : [one]))
}

/** With those that are being removed: RBD puts them aside under another name first, and who removed them may have died. */
export async function listAllRbdSnapshots(
  options: RbdAccess,
  image: ImageName,
): Promise<(RbdSnapshot & { isGoing: boolean })[]> {
  const all = await ask(snapshots, options, ['snap', 'ls'], image, {}, ['--all'])
  return all.map(({ id, name, size, namespace }) => {
    const isGoing = namespace?.type === 'trash'
    return { id, name: isGoing ? (namespace.original_name ?? name) : name, size, isGoing }
  })
}

/** @throws as `listRbdSnapshots` */
export async function rbdImageInfo(
  options: RbdAccess,
  image: string,
  run: CommandOptions = {},
): Promise<{ id: string; size: number }> {
  return ask(info, options, ['info'], image, run)
}

/** Who has the image open for writing, as `client.<id> <address>`; `unknown` when the user may not ask. */
export async function rbdWatchers(options: RbdAccess, image: string): Promise<string[] | 'unknown'> {
  try {
    const { watchers } = await ask(status, options, ['status'], image)
    return Object.values(watchers).map(({ client, address }) => `client.${client} ${address}`)
  } catch (error) {
    if (error instanceof CodedError && isDenied(error.cause)) return 'unknown'
    throw error
  }
}

async function ask<T>(
  schema: z.ZodType<T>,
  options: RbdAccess,
  verb: string[],
  image: ImageName,
  run: CommandOptions = {},
  rest: string[] = [],
): Promise<T> {
  const command = rbdCommand(options, verb, { image, snapshot: null }, [...rest, '--format', 'json'])
  try {
    return understand(schema, await runCommand(command, { timeoutMs: rbdTimeoutMs, ...run }), command)
  } catch (error) {
    throw explainRbdFailure(error, options, image)
  }
}
