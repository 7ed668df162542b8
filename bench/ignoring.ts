import { openBroker } from './broker.js'
import { cpuMeter, cpuNote } from './cpu-meter.js'
import type { Figure } from './figure.js'
import { uninteresting } from './notifications.js'
import { interleave } from './rounds.js'

const sizes = { full: { messages: 8_000, rounds: 10 }, smoke: { messages: 300, rounds: 1 } }

/** Notifications of no interest a second: our listener against a consumer that only parses and acknowledges. */
export const ignoring: Figure = {
  name: 'ignoring',
  async measure(place, size) {
    const { messages, rounds } = sizes[size]
    const namespace = await place.openNamespace()
    const broker = await openBroker(place.amqpUrl)
    try {
      const queue = await broker.makeQueue()
      const ours = await namespace.start('listener')
      const bare = await namespace.start('bare-client')
      const some = uninteresting()
      const bodies = Array.from({ length: messages }, (_, index) => some[index % some.length] ?? Buffer.alloc(0))
      let cpu = { ours: cpuMeter(ours), bare: cpuMeter(bare) }
      const take = async () => {
        await broker.fill(queue, bodies)
        return cpu.ours.during(
          async () => (await ours.call<{ rate: number }>('take', queue, broker.exchange, messages)).rate,
        )
      }
      const consume = async () => {
        await broker.fill(queue, bodies)
        return cpu.bare.during(() => bare.call<number>('consume', queue, messages, 128))
      }
      // both have compiled their code before anything counts
      await consume()
      await take()
      cpu = { ours: cpuMeter(ours), bare: cpuMeter(bare) }
      const measured = await interleave(rounds, { ours: take, bare: consume })
      return [
        {
          work: 'notifications of no interest',
          unit: '/s',
          ...measured,
          bareIs: 'amqplib: consume, parse twice, ack',
          goal: { of: 'ratio', is: 'at least', value: 0.6 },
          notes: [cpuNote('a notification', measured.ours.samples * messages, cpu.ours, cpu.bare)],
        },
      ]
    } finally {
      await broker.close()
      await namespace.close()
    }
  },
}
