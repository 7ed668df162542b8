import { z } from 'zod'
import { rbdCommand } from '../../source/rbd-command.js'
import { streamCommand } from '../../source/run-command.js'
import type { Extent } from '../../source/source.js'
import { understand } from '../../source/understand.js'
import { explain, type Asking } from './commands.js'

const entry = z.looseObject({ offset: z.number().int().nonnegative(), length: z.number().int().nonnegative() })

/**
 * Where an RBD snapshot, or with null the head, may differ from another one: also where bytes became zero. From null:
 * where it may hold data. A plain diff, as the source's; ends its program when the loop is left early.
 */
export async function* diffExtents(
  { access, signal }: Asking,
  image: string,
  { from, to }: { from: string | null; to: string | null },
): AsyncGenerator<Extent, void, undefined> {
  const since = from === null ? [] : ['--from-snap', from]
  const command = rbdCommand(access, ['diff'], { image, snapshot: to }, [...since, '--format', 'json'])
  const decoder = new TextDecoder()
  let rest = ''
  try {
    for await (const chunk of streamCommand(command, { signal })) {
      // a list of flat objects, which can be 200 MB long
      const pieces = (rest + decoder.decode(chunk, { stream: true })).split('}')
      rest = pieces.pop() ?? ''
      for (const piece of pieces) yield understand(entry, `${piece.replace(/^[\s[,]+/, '')}}`, command)
    }
  } catch (error) {
    throw explain(access, image, error)
  }
  if (!/^\s*\[?\s*\]\s*$/.test(rest)) understand(entry, rest, command)
}
