import { pollersOf } from '../../worker/pollers-of.js'
import { controlQueue, moveQueue } from '../../workflows/messages.js'
import { count, span } from '../words.js'
import { zonesOf } from '../zones-of.js'
import { fault, ok, warning, type Check, type Finding } from './check.js'

/** A worker that lives asks again at least once a minute; Temporal forgets one after five. Milliseconds. */
const aliveMs = 150_000
const forgottenMs = 360_000

/** Who works: at least one process on the queue `control`, and one on `move@<zone>` of each zone. */
export const workersCheck: Check = {
  name: 'workers',
  async run({ config, temporal, started, now }) {
    const { client } = await temporal.need()
    const queues = [
      { queue: controlQueue, kind: 'workflow' as const, start: '--role control' },
      ...zonesOf(config).map((zone) => ({
        ...{ queue: moveQueue(zone), kind: 'activity' as const },
        start: zone === 'default' ? '--role mover' : `--role mover --zone ${zone}`,
      })),
    ]
    const before = await started()
    return Promise.all(
      queues.map(async ({ queue, kind, start }) =>
        judgeWorkers(queue, await pollersOf(client, queue, kind), { now: now(), start, started: before }),
      ),
    )
  },
}

/** @param asked when each worker asked for work last, newest first, by Temporal's clock */
export function judgeWorkers(
  queue: string,
  asked: number[],
  { now, start, started }: { now: number; start: string; started: boolean },
): Finding {
  // further away than Temporal remembers: our clocks differ, which another check tells
  const alive = asked.filter((at) => now - at < aliveMs || now - at > forgottenMs)
  if (alive.length > 0) return ok(`${count(alive.length, 'worker polls', 'workers poll')} the queue ${queue}`)
  const [last] = asked
  const since = last === undefined ? '' : `; the last one asked ${span((now - last) / 1000)} ago`
  const tell = started ? fault : warning
  return tell(
    'CK-WORKER-AWAY',
    `no worker polls the queue ${queue}${since}`,
    `Start one: cinderkeep run ${start}. If it runs: is it the same temporal.address and namespace?`,
  )
}
