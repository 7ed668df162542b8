/** How many calls run side by side. */
const sideBySide = 16

/** Does something with each, some at a time; the first failure ends it after what had begun. */
export async function eachOf<T>(items: AsyncIterable<T> | Iterable<T>, act: (item: T) => Promise<void>): Promise<void> {
  const running = new Set<Promise<void>>()
  for await (const item of items) {
    const one: Promise<void> = act(item).finally(() => running.delete(one))
    running.add(one)
    // what fails is thrown by the race or at the end, never unhandled
    one.catch(() => undefined)
    if (running.size >= sideBySide) await Promise.race(running)
  }
  await Promise.all(running)
}
