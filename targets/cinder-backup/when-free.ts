import { CodedError } from '../../errors/coded-error.js'
import type { CopyContext } from '../target.js'
import { pollUntil } from './poll-until.js'
import { hasCode, type Setting } from './setting.js'

const pauseMs = 2_000

/**
 * Asks again after Cinder refused (400) only because something else is being done with the same snapshot or backup at
 * the moment: two targets back up one snapshot, or two readers restore one backup.
 * @param busy what is being done with it now, or null
 */
export async function whenFree<T>(
  setting: Setting,
  context: CopyContext,
  busy: () => Promise<string | null>,
  ask: () => Promise<T>,
): Promise<T> {
  for (;;) {
    try {
      return await ask()
    } catch (error) {
      if (!hasCode(error, 'CK-CLOUD-BAD-REQUEST')) throw error
      // it may have been set free between the refusal and this look
      if ((await busy()) === null && !saysBusy(error)) throw error
    }
    await setting.sleep(pauseMs, context.signal)
    await pollUntil(setting, context, async () => {
      const doing = await busy()
      return doing === null ? { done: undefined } : { waiting: { phase: doing } }
    })
  }
}

function saysBusy(error: unknown): boolean {
  return error instanceof CodedError && /\b(backing-up|restoring)\b/.test(error.message)
}
