/** A stream whose next value can be looked at before it is taken. */
export interface Peekable<T> {
  /** undefined at the end. */
  peek(): Promise<T | undefined>
  take(): void
  /** Ends the stream where it came from. */
  close(): Promise<void>
}

export function peekable<T>(values: AsyncIterable<T>): Peekable<T> {
  const iterator = values[Symbol.asyncIterator]()
  let next: IteratorResult<T, unknown> | undefined
  return {
    peek: async () => {
      next ??= await iterator.next()
      return next.done === true ? undefined : next.value
    },
    take: () => {
      if (next?.done !== true) next = undefined
    },
    close: async () => {
      await iterator.return?.()
    },
  }
}
