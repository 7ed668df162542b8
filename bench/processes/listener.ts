/** Our listener as `cinderkeep run --role listener` is one; it can be told to take a queue and stop when it is empty. */
import { setTimeout as sleep } from 'node:timers/promises'
import { runListener } from '../../listener/main.js'
import { listenOptions } from '../../listener/options.js'
import type { ListenerStats } from '../../listener/stats.js'
import { createLog } from '../../log/log.js'
import { connectClient } from '../../worker/connect-temporal.js'
import { given, serve } from './serve.js'

serve(async () => {
  const log = createLog('info', { role: 'listener' })
  const { client, connection } = await connectClient({
    connectionOptions: { address: given('TEMPORAL_ADDRESS') },
    namespace: given('TEMPORAL_NAMESPACE'),
  })
  const begin = async (queue: string, exchange: string) =>
    runListener({
      options: listenOptions.parse({
        url: given('AMQP_URL'),
        queue,
        bind: [{ exchange, topics: ['notifications'] }],
      }),
      events: new Set(['volume.create.end']),
      ...{ client, log },
    })
  let listening: Awaited<ReturnType<typeof begin>> | null = null
  return {
    acts: {
      /** Listens until the process is stopped. */
      async listen(queue: string, exchange: string) {
        listening = await begin(queue, exchange)
        await listening.started
      },
      /** Takes what lies in the queue. @returns how many a second, from the first look to the last acknowledgement */
      async take(queue: string, exchange: string, messages: number) {
        const listener = await begin(queue, exchange)
        await listener.started
        const started = performance.now()
        let stats = listener.stats()
        while (handled(stats) < messages) {
          await sleep(2)
          stats = listener.stats()
        }
        const rate = messages / ((performance.now() - started) / 1000)
        await listener.stop()
        return { rate, signalled: stats.signalled }
      },
    },
    async stop() {
      await listening?.stop()
      await connection.close()
    },
  }
})

function handled({ ignored, signalled }: ListenerStats): number {
  return ignored + signalled
}
