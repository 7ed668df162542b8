/** What a program does at least that takes notifications, or that signals workflows: no check, no log, no memory. */
import { connect } from 'amqplib'
import { setTimeout as sleep } from 'node:timers/promises'
import { connectClient } from '../../worker/connect-temporal.js'
import { controlQueue, hintSignal, volumeWorkflowId, workflowTypes } from '../../workflows/messages.js'
import { eachOf, rateOf } from '../rounds.js'
import { given, serve } from './serve.js'

serve(async () => {
  const { client, connection } = await connectClient({
    connectionOptions: { address: given('TEMPORAL_ADDRESS') },
    namespace: given('TEMPORAL_NAMESPACE'),
  })
  return {
    acts: {
      /** Consume, parse envelope and message, acknowledge. @returns how many a second */
      async consume(queue: string, messages: number, prefetch: number) {
        const broker = await connect(given('AMQP_URL'), { noDelay: true })
        const channel = await broker.createChannel()
        await channel.prefetch(prefetch)
        let parsed = 0
        await channel.consume(queue, (message) => {
          if (message === null) return
          const { 'oslo.message': inner } = JSON.parse(message.content.toString()) as { 'oslo.message': string }
          const { event_type: event } = JSON.parse(inner) as { event_type: string }
          if (event !== '') parsed += 1
          channel.ack(message)
        })
        const started = performance.now()
        while (parsed < messages) await sleep(2)
        const rate = messages / ((performance.now() - started) / 1000)
        await channel.close()
        await broker.close()
        return rate
      },
      /** `signalWithStart` of these volumes' workflows in turn. @returns how many a second */
      signal: async (volumes: string[], signals: number, atOnce: number) =>
        rateOf(signals, () =>
          eachOf(signals, atOnce, async (index) => {
            await client.workflow.signalWithStart(workflowTypes.watchVolume, {
              workflowId: volumeWorkflowId(volumes[index % volumes.length] ?? ''),
              taskQueue: controlQueue,
              signal: hintSignal,
              signalArgs: [[{ messageId: `bare-${String(index)}`, event: 'volume.create.end' }]],
            })
          }),
        ),
    },
    stop: () => connection.close(),
  }
})
