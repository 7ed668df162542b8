/** Resolves when the signal is aborted; at once when it is already. */
export async function whenAborted(signal: AbortSignal): Promise<'stopped'> {
  if (!signal.aborted) {
    await new Promise<void>((resolve) => {
      signal.addEventListener(
        'abort',
        () => {
          resolve()
        },
        { once: true },
      )
    })
  }
  return 'stopped'
}
