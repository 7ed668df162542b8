import { CodedError } from '../../errors/coded-error.js'
import { hasCode } from './setting.js'

/**
 * For acts on volumes of ours alone: one that vanished was removed by another attempt, most likely, so that this one is
 * tried again; the code for a volume that is gone would say that the tenant's is.
 */
export async function goneAsScratch<T>(act: () => Promise<T>): Promise<T> {
  try {
    return await act()
  } catch (error) {
    if (!(error instanceof CodedError) || !hasCode(error, 'CK-VOLUME-GONE')) throw error
    throw new CodedError('CK-SCRATCH-GONE', `a temporary volume of ours vanished while it was used: ${error.message}`, {
      cure: 'Leave volumes called ck-… alone. It is tried again by itself.',
      cause: error,
    })
  }
}
