import type { Channel, ChannelModel } from 'amqplib'

/**
 * Runs `act` on a channel of its own: AMQP closes a channel on any refused check, together with whatever else uses it.
 */
export async function onOwnChannel<C extends Channel, T>(
  opened: Promise<C>,
  act: (channel: C) => Promise<T>,
): Promise<T> {
  const channel = await opened
  const state = { open: true }
  // the refused call rejects with the same error; without a listener the event would end the process
  channel.on('error', () => undefined)
  channel.on('close', () => (state.open = false))
  try {
    return await act(channel)
  } finally {
    if (state.open) await closeQuietly(channel)
  }
}

/** Closes a channel or connection; returns too when the connection dies meanwhile (amqplib's promise never would). */
export async function closeQuietly(closable: Channel | ChannelModel): Promise<void> {
  const closed = new Promise<void>((resolve) =>
    closable.once('close', () => {
      resolve()
    }),
  )
  await Promise.race([closable.close(), closed])
}

/** AMQP's reply code of an error of a channel (403, 404, 405, 406, …). */
export function replyCode(error: unknown): number | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'number' ? error.code : undefined
}
