import { randomUUID } from 'node:crypto'
import { openBroker } from './broker.js'
import { cpuMeter, cpuNote } from './cpu-meter.js'
import type { Figure } from './figure.js'
import { created } from './notifications.js'
import { interleave } from './rounds.js'

const sizes = { full: { signals: 600, volumes: 200, rounds: 12 }, smoke: { signals: 40, volumes: 40, rounds: 1 } }
/** The listener's default. */
const atOnce = 32

/** Notifications that signal a workflow, a second, against as many calls of `signalWithStart` from one client. */
export const signalling: Figure = {
  name: 'signalling',
  async measure(place, size) {
    const { signals, rounds, ...counts } = sizes[size]
    const namespace = await place.openNamespace()
    const broker = await openBroker(place.amqpUrl)
    try {
      const queue = await broker.makeQueue()
      const ours = await namespace.start('listener')
      const bare = await namespace.start('bare-client')
      // no worker takes part: what workflows do with signals is another figure
      const volumesOf = { ours: volumes(counts.volumes), bare: volumes(counts.volumes) }
      let signalled = 0
      let cpu = { ours: cpuMeter(ours), bare: cpuMeter(bare) }
      const take = async () => {
        // in turn: no two for one volume wait at once, since those would be one signal
        const bodies = Array.from({ length: signals }, (_, index) =>
          created(volumesOf.ours[index % counts.volumes] ?? ''),
        )
        await broker.fill(queue, bodies)
        const taken = await cpu.ours.during(() =>
          ours.call<{ rate: number; signalled: number }>('take', queue, broker.exchange, signals),
        )
        signalled += taken.signalled
        return taken.rate
      }
      const signal = () => cpu.bare.during(() => bare.call<number>('signal', volumesOf.bare, signals, atOnce))
      // starts the workflows; from then on all are told of existing ones
      await signal()
      await take()
      signalled = 0
      cpu = { ours: cpuMeter(ours), bare: cpuMeter(bare) }
      const measured = await interleave(rounds, { ours: take, bare: signal })
      return [
        {
          work: 'notifications that signal a workflow',
          unit: '/s',
          ...measured,
          bareIs: `signalWithStart from one client, ${String(atOnce)} in flight`,
          goal: { of: 'ratio', is: 'at least', value: 0.8 },
          notes: [
            `${String(signalled)} signals for ${String(signals * measured.ours.samples)} notifications`,
            cpuNote('a signal', measured.ours.samples * signals, cpu.ours, cpu.bare),
          ],
        },
      ]
    } finally {
      await broker.close()
      await namespace.close()
    }
  },
}

function volumes(count: number): string[] {
  return Array.from({ length: count }, () => randomUUID())
}
