import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { silentLog } from '../log/log.js'
import { openCloud } from '../openstack/open-cloud.js'
import { startSandbox, type Sandbox } from '../sandbox/sandbox.js'
import { statusQuery, volumeWorkflowId } from '../workflows/messages.js'
import { bareQueue, pokeSignal } from './bare-workflows.js'
import { openBroker } from './broker.js'
import type { Child } from './child.js'
import type { Figure } from './figure.js'
import { created } from './notifications.js'
import type { BenchNamespace } from './place.js'
import { interleave, summary } from './rounds.js'

const sizes = { full: { rounds: 40, volumes: 5 }, smoke: { rounds: 1, volumes: 1 } }
/** What an archive or a bare child still does has ended after this; then the next one has the machine to itself. */
const quietMs = 200

/**
 * From a notification on the broker to the request for a snapshot at Cinder: listener, entity, assess, archive, preflight.
 * The entity exists and its policy has no settle time. Bare is a signal to an existing entity that starts one child with
 * one activity, without broker, listener, or a cloud to ask.
 */
export const latency: Figure = {
  name: 'latency',
  async measure(place, size) {
    const { rounds, volumes } = sizes[size]
    const namespace = await place.openNamespace()
    const broker = await openBroker(place.amqpUrl)
    const sandbox = await startSandbox({ dir: join(place.dir, 'cloud') })
    try {
      const ids = await makeVolumes(sandbox, place.dir, volumes)
      const control = await namespace.start('control', sandbox.env)
      const worker = await namespace.start('bare-worker')
      const listener = await namespace.start('listener')
      await listener.call('listen', await broker.makeQueue(), broker.exchange)
      const asked = watchSnapshots(sandbox)
      const untilAsked: number[] = []
      const requestsBefore: number[] = []
      const released = watchTold(control, 'released')
      const touched = watchTold(worker, 'touched')

      const ours = async (round: number): Promise<number> => {
        const volume = ids[round % ids.length] ?? ''
        const snapshot = asked(volume)
        const end = released(volume)
        const started = performance.now()
        broker.publish(created(volume))
        const { at, first, requests } = await snapshot
        const ms = at - started
        untilAsked.push(first - started)
        requestsBefore.push(requests)
        await end
        await untilIdle(namespace, volume)
        await sleep(quietMs)
        return ms
      }
      const entities = ids.map((id) => `bare/${id}`)
      const bare = async (round: number): Promise<number> => {
        const entity = entities[round % entities.length] ?? ''
        const child = `${entity}/${randomUUID()}`
        const end = touched(child)
        const started = performance.now()
        await namespace.client.workflow.signalWithStart('bareEntity', {
          ...{ workflowId: entity, taskQueue: bareQueue, signal: pokeSignal, signalArgs: [child] },
        })
        const ms = (await end) - started
        await namespace.client.workflow.getHandle(child).result()
        await sleep(quietMs)
        return ms
      }
      // entities exist and are at rest before anything counts
      for (const index of ids.keys()) {
        await ours(index)
        await bare(index)
      }
      const measured = await interleave(rounds, { ours, bare })
      return [
        {
          work: 'notification → snapshot asked for',
          unit: 'ms',
          ...measured,
          bareIs: 'a signal to an existing entity that starts one ABANDON child with one activity',
          goal: { of: 'ratio', is: 'at most', value: 1.5 },
          notes: [
            `${summary(untilAsked).median.toFixed(0)} ms until the cloud was asked for the first time, by assess; ` +
              `${summary(requestsBefore).median.toFixed(0)} requests before the one for the snapshot`,
          ],
        },
      ]
    } finally {
      await namespace.close()
      await broker.close()
      await sandbox.close()
    }
  },
}

async function makeVolumes(sandbox: Sandbox, dir: string, count: number): Promise<string[]> {
  const place = { env: sandbox.env, cwd: dir, home: dir }
  const cloud = await openCloud(place, { log: silentLog, installation: randomUUID() })
  const ids: string[] = []
  for (let index = 0; index < count; index += 1) {
    ids.push((await cloud.cinder.createVolume({ name: `bench-${String(index)}`, sizeGib: 1 })).id)
  }
  await sandbox.idle()
  cloud.close()
  return ids
}

interface Asked {
  /** When the snapshot was asked for. */
  at: number
  /** When the cloud was asked anything for the first time since it began to be waited for. */
  first: number
  /** How often it was asked before. */
  requests: number
}

/** When the sandbox is asked for a snapshot of a volume: in this process, so by the same clock. */
function watchSnapshots(sandbox: Sandbox): (volume: string) => Promise<Asked> {
  let waiting = { volume: '', first: 0, requests: 0, resolve: (() => undefined) as (asked: Asked) => void }
  const { record } = sandbox
  const begin = record.begin.bind(record)
  record.begin = (method, path, headers, body) => {
    const at = performance.now()
    const { volume, first, requests, resolve } = waiting
    if (requests === 0) waiting.first = at
    if (method === 'POST' && path.endsWith('/snapshots')) {
      const { snapshot } = body as { snapshot: { volume_id: string } }
      if (snapshot.volume_id === volume) resolve({ at, first, requests })
    }
    waiting.requests += 1
    return begin(method, path, headers, body)
  }
  return (volume) =>
    new Promise((resolve) => {
      waiting = { volume, first: 0, requests: 0, resolve }
    })
}

/** When a process tells that something happened to a subject. */
function watchTold(child: Child, wanted: string): (subject: string) => Promise<number> {
  const waiting = new Map<string, (at: number) => void>()
  child.onTold((subject, what, at) => {
    if (what !== wanted) return
    waiting.get(subject)?.(at)
    waiting.delete(subject)
  })
  return (subject) =>
    new Promise((resolve) => {
      waiting.set(subject, resolve)
    })
}

/** An entity begins a new run when its archive has ended; the next notification finds it at rest. */
async function untilIdle({ client }: BenchNamespace, volume: string): Promise<void> {
  for (;;) {
    const status = await client.workflow
      .getHandle(volumeWorkflowId(volume))
      .query(statusQuery)
      .catch(() => null)
    if (status?.archives.length === 0) return
    await sleep(50)
  }
}
