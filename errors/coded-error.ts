/**
 * The one shape of every error that Cinderkeep raises on purpose. Rooms subclass it or use it as it is.
 * `activities/failures.ts` alone decides from the code whether an act is tried again; `cli/main.ts` alone turns it
 * into an exit code. Every code stands in docs/errors.md with its meaning and cure (a test checks it).
 */
export class CodedError extends Error {
  override readonly name: string = 'CodedError'
  /** Stable, `CK-` and upper case words; scripts may depend on it. */
  readonly code: `CK-${string}`
  /** What the operator does about it, one or two sentences; printed under the message. */
  readonly cure: string | undefined

  constructor(code: `CK-${string}`, message: string, options: { cure?: string; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.cure = options.cure
  }
}
