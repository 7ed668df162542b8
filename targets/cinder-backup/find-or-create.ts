import type { CopyContext } from '../target.js'
import { hasCode, type Setting } from './setting.js'

/** Waits after a lost answer, 127 s together: a proxy gives up after 60 s, but Cinder goes on with what it was asked. */
const looksAfterLostAnswerMs = [2_000, 5_000, 10_000, 20_000, 30_000, 60_000]
const triesToCreate = 3

/**
 * Looks by name before creating, and after an answer was lost looks long enough to be sure that nothing came of it
 * before creating again.
 */
export async function findOrCreate<T>(
  { sleep }: Pick<Setting, 'sleep'>,
  context: CopyContext,
  what: string,
  find: () => Promise<T | undefined>,
  create: () => Promise<T>,
): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    context.signal.throwIfAborted()
    const found = await find()
    if (found !== undefined) return found
    context.report({ phase: `creating ${what}` })
    try {
      return await create()
    } catch (error) {
      if (!hasCode(error, 'CK-CLOUD-ANSWER-LOST') || attempt === triesToCreate) throw error
    }
    for (const pause of looksAfterLostAnswerMs) {
      context.report({ phase: `looking whether ${what} was created: Cinder's answer was lost` })
      await sleep(pause, context.signal)
      const late = await find()
      if (late !== undefined) return late
    }
  }
}
