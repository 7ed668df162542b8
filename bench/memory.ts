import { randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { hintSignal, controlQueue, volumeWorkflowId, workflowTypes, type RecoveryPoint } from '../workflows/messages.js'
import type { VolumeState } from '../workflows/volume-memory.js'
import { freshState } from '../workflows/volume-state.js'
import { bareQueue, pokeSignal } from './bare-workflows.js'
import type { Figure } from './figure.js'
import type { BenchNamespace } from './place.js'
import { eachOf, summary } from './rounds.js'

const sizes = { full: { volumes: 1000, points: 30 }, smoke: { volumes: 5, points: 2 } }
const atOnce = 20
const mb = 1e6

/**
 * The most memory that the control worker's process held while it watched 1,000 volumes with points: it began to watch
 * each, and each got a notification. Beside it the same worker with workflows that only hold as much and take signals.
 */
export const memory: Figure = {
  name: 'memory',
  async measure(place, size) {
    const { volumes, points } = sizes[size]
    const namespace = await place.openNamespace()
    try {
      const control = await namespace.start('control')
      const bare = await namespace.start('bare-worker')
      const ids: string[] = Array.from({ length: volumes }, () => randomUUID())
      const states = new Map(ids.map((id) => [id, stateOf(id, points)]))
      const fresh = { ours: await memoryOf(control.pid), bare: await memoryOf(bare.pid) }
      await eachOf(volumes, atOnce, async (index) => {
        const id = ids[index] ?? ''
        await tellOurs(namespace, id, states.get(id))
        await tellBare(namespace, id, states.get(id))
      })
      await untilQuiet(namespace, ids)
      // all of them again: none is fresh any more, and most are no longer in the worker's cache
      await eachOf(volumes, atOnce, async (index) => {
        const id = ids[index] ?? ''
        await tellOurs(namespace, id, states.get(id))
        await tellBare(namespace, id, states.get(id))
      })
      await untilQuiet(namespace, ids)
      const held = { ours: await memoryOf(control.pid), bare: await memoryOf(bare.pid) }
      const carried = JSON.stringify(states.get(ids[0] ?? '')).length
      return [
        {
          work: `control worker, ${String(volumes)} volumes with ${String(points)} points each`,
          unit: 'MB',
          ours: summary([held.ours.most]),
          bare: summary([held.bare.most]),
          bareIs: 'the same worker, workflows that hold as much and take signals',
          ratio: summary([held.ours.most / held.bare.most]),
          goal: { of: 'ours', is: 'at most', value: 300 },
          notes: [
            `each carries ${(carried / 1024).toFixed(0)} KiB`,
            `before the first: ours ${fresh.ours.now.toFixed(0)} MB, bare ${fresh.bare.now.toFixed(0)} MB`,
            `at the end: ours ${held.ours.now.toFixed(0)} MB, bare ${held.bare.now.toFixed(0)} MB`,
          ],
        },
      ]
    } finally {
      await namespace.close()
    }
  },
}

async function tellOurs({ client }: BenchNamespace, id: string, state: VolumeState | undefined): Promise<void> {
  await client.workflow.signalWithStart(workflowTypes.watchVolume, {
    ...{ workflowId: volumeWorkflowId(id), taskQueue: controlQueue, args: [state], signal: hintSignal },
    // one that no policy archives on: it is looked at, and nothing more
    signalArgs: [[{ messageId: randomUUID(), event: 'volume.update.end' }]],
  })
}

async function tellBare({ client }: BenchNamespace, id: string, state: VolumeState | undefined): Promise<void> {
  await client.workflow.signalWithStart('bareHolder', {
    ...{ workflowId: `bare/${id}`, taskQueue: bareQueue, args: [state], signal: pokeSignal, signalArgs: [''] },
  })
}

/** No workflow waits for a worker: the last ones told are the last ones looked at. */
async function untilQuiet({ client }: BenchNamespace, ids: string[]): Promise<void> {
  for (const id of ids.slice(-atOnce)) {
    for (const workflowId of [volumeWorkflowId(id), `bare/${id}`]) {
      while ((await client.workflow.getHandle(workflowId).describe()).raw.pendingWorkflowTask) await sleep(100)
    }
  }
  await sleep(2000)
}

/** Megabytes that a process holds, and the most that it ever held. */
async function memoryOf(pid: number): Promise<{ now: number; most: number }> {
  const status = await readFile(`/proc/${String(pid)}/status`, 'utf8')
  const of = (name: string) => (Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1]) * 1024) / mb
  return { now: of('VmRSS'), most: of('VmHWM') }
}

/** A volume that has been watched for a while. */
function stateOf(volumeId: string, count: number): VolumeState {
  return {
    ...freshState(),
    ...{ name: `bench-${volumeId.slice(0, 8)}`, project: 'bench', policy: 'all', rebuilding: [] },
    points: Array.from({ length: count }, (_, index) => pointOf(volumeId, index)),
    seen: Array.from({ length: 20 }, () => randomUUID()),
  }
}

function pointOf(volumeId: string, index: number): RecoveryPoint {
  const archiveId = randomUUID()
  const capturedAt = new Date(Date.now() - (index + 1) * 3_600_000).toISOString()
  const slot = `event:volume.create.end:${randomUUID()}`
  const common = {
    ...{ point: `${capturedAt.slice(0, 19)}Z-${archiveId.slice(0, 8)}`, archiveId, slot, group: null, volumeId },
    ...{ archive: `archive/${volumeId}/${slot}/1`, projectId: 'bench', capturedAt, consistency: 'detached' as const },
    ...{ sizeBytes: 2 ** 30, rootHash: `sha256-4m:${'a'.repeat(64)}` },
  }
  const copy = {
    ...{ target: 'free', kind: 'cinder-backup', snapshotId: randomUUID(), ref: { backupId: randomUUID() } },
    ...{ state: 'verified' as const, verifiedAt: capturedAt, writtenBytes: 2 ** 30, storedBytes: 2 ** 30 },
    ...{ basePoint: null, reason: null },
  }
  return { ...common, copies: [{ ...common, ...copy }] }
}
