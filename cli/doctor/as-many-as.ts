/** As much of a long list as comes in time. */
export async function asManyAs<T>(
  items: AsyncIterable<T>,
  isLate: () => boolean,
): Promise<{ found: T[]; isWhole: boolean }> {
  const found: T[] = []
  for await (const item of items) {
    if (isLate()) return { found, isWhole: false }
    found.push(item)
  }
  return { found, isWhole: true }
}
