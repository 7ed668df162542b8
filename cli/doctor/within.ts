/** The outcome of `act`, or `late()` as an error when it takes longer; what it still does then is left to itself. */
export async function within<T>(ms: number, act: () => Promise<T>, late: () => Error): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const end = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      reject(late())
    }, ms)
  })
  try {
    return await Promise.race([act(), end])
  } finally {
    clearTimeout(timer)
  }
}
