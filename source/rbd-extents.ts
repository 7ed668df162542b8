import { z } from 'zod'
import type { RbdAccess } from './rbd-access.js'
import { rbdCommand, type RbdObject } from './rbd-command.js'
import { streamCommand } from './run-command.js'
import type { Extent } from './source.js'
import { understand } from './understand.js'

const entry = z.looseObject({
  offset: z.number().int().nonnegative(),
  length: z.number().int().nonnegative(),
  exists: z.enum(['true', 'false']),
})

/**
 * Where an image or RBD snapshot may hold data, its parent's data included; neighbours are joined. A plain diff, since
 * the fast one has lost extents on real clusters; it costs by the size of the image (1 TiB about 12 s), not by its data.
 */
export async function rbdExtents(
  options: RbdAccess,
  object: RbdObject,
  signal: AbortSignal | undefined,
): Promise<Extent[]> {
  const extents: Extent[] = []
  const command = rbdCommand(options, ['diff'], object, ['--format', 'json'])
  for await (const json of flatJsonObjects(streamCommand(command, { signal }))) {
    const { offset, length, exists } = understand(entry, json, command)
    if (exists === 'false' || length === 0) continue
    const last = extents.at(-1)
    if (last !== undefined && last.offset + last.length === offset) last.length += length
    else extents.push({ offset, length })
  }
  return extents.sort((one, other) => one.offset - other.offset)
}

/** The objects of a JSON list of flat objects without `}` in their strings, as they come: a list can be 200 MB long. */
async function* flatJsonObjects(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<string, void, undefined> {
  const decoder = new TextDecoder()
  let rest = ''
  for await (const chunk of chunks) {
    const pieces = (rest + decoder.decode(chunk, { stream: true })).split('}')
    rest = pieces.pop() ?? ''
    for (const piece of pieces) yield `${piece.replace(/^[\s[,]+/, '')}}`
  }
  // the end of the list is not an object: whatever else stands there makes the same error
  if (!/^\s*\[?\s*\]\s*$/.test(rest)) yield rest
}
