import { CodedError } from '../../errors/coded-error.js'
import { CannotLook } from './check.js'
import { within } from './within.js'

/** Something that several checks need: reached once, by whoever asks first. */
export interface Shared<T> {
  /** For the check that tells whether it can be reached. @throws what went wrong */
  reach(): Promise<T>
  /** For all other checks. @throws CannotLook */
  need(): Promise<T>
}

/** No server that is well needs as long; milliseconds. */
const reachMs = 15_000

/**
 * @param what for those who cannot look: `Keystone does not let us in (see cloud)`
 * @param late the code for "nothing came, neither an answer nor an error"
 */
export function shared<T>(what: string, late: `CK-${string}`, open: () => Promise<T>): Shared<T> {
  let opened: Promise<T> | undefined
  const reach = () =>
    (opened ??= within(reachMs, open, () => {
      return new CodedError(late, `no answer within ${reachMs / 1000} s`, {
        cure: 'Check the way there: a firewall that drops packets, a server that hangs.',
      })
    }))
  return {
    reach,
    async need() {
      try {
        return await reach()
      } catch (error) {
        throw error instanceof CannotLook ? error : new CannotLook(what)
      }
    },
  }
}
