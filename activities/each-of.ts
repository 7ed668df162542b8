/** How many calls run side by side. */
const sideBySide = 16

/**
 * Does something with each, some at a time. After a failure nothing more is begun, and what had begun comes to its end.
 * @throws the first failure
 */
export async function eachOf<T>(items: AsyncIterable<T> | Iterable<T>, act: (item: T) => Promise<void>): Promise<void> {
  const running = new Set<Promise<void>>()
  const failures: unknown[] = []
  for await (const item of items) {
    if (failures.length > 0) break
    // one that fails while nobody waits for it must not be forgotten
    const one: Promise<void> = act(item)
      .catch((error: unknown) => {
        failures.push(error)
      })
      .finally(() => running.delete(one))
    running.add(one)
    if (running.size >= sideBySide) await Promise.race(running)
  }
  await Promise.all(running)
  if (failures.length > 0) throw failures[0]
}
