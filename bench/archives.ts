import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  archiveWorkflowId,
  controlQueue,
  hintSignal,
  manualSlot,
  volumeWorkflowId,
  workflowTypes,
  type ArchiveRequest,
} from '../workflows/messages.js'
import { bareQueue } from './bare-workflows.js'
import type { Figure } from './figure.js'
import { historyOf } from './history.js'
import type { BenchNamespace } from './place.js'
import { eachOf, interleave, rateOf, ratios, summary } from './rounds.js'

const sizes = { full: { archives: 80, rounds: 8 }, smoke: { archives: 4, rounds: 1 } }
/** Archives that run at once: enough to keep a small machine busy, whatever some of them wait for. */
const atOnce = 40
/** takeCapture, writeCopy, verifyCopy, markCopy, removeTemporaries, releaseCapture. */
const acts = 6

/**
 * Archives a second when neither the cloud nor the target costs anything, against workflows that only do as many acts.
 * Beside it the whole way: hint, entity, archive, point, which has no counterpart as simple.
 */
export const archives: Figure = {
  name: 'archives',
  async measure(place, size) {
    const { archives: count, rounds } = sizes[size]
    const namespace = await place.openNamespace()
    try {
      const control = await namespace.start('control')
      await namespace.start('bare-worker')
      const { workflow } = namespace.client
      const ours = () =>
        rateOf(count, () =>
          eachOf(count, atOnce, async () => {
            const request = requestFor(randomUUID())
            const { volume, slot } = request
            await workflow.execute(workflowTypes.archiveVolume, {
              ...{ workflowId: archiveWorkflowId(volume.id, slot, 1), taskQueue: controlQueue, args: [request] },
            })
          }),
        )
      const bare = () =>
        rateOf(count, () =>
          eachOf(count, atOnce, async () => {
            const workflowId = `bare/${randomUUID()}`
            await workflow.execute('bareActs', { workflowId, taskQueue: bareQueue, args: [workflowId, acts] })
          }),
        )
      const volumes = Array.from({ length: atOnce * 2 }, () => randomUUID())
      const released = new Map<string, () => void>()
      control.onTold((volume, what) => {
        if (what === 'released') released.get(volume)?.()
      })
      const whole = () =>
        rateOf(count, () =>
          eachOf(count, atOnce, async (index) => {
            const volume = volumes[index % volumes.length] ?? ''
            const end = new Promise<void>((resolve) => {
              released.set(volume, resolve)
            })
            await hint(namespace, volume)
            await end
          }),
        )
      await Promise.all([ours(), bare()])
      await whole()
      const rates: number[] = []
      const barePerRound: number[] = []
      const measured = await interleave(rounds, {
        ours,
        bare: async () => {
          barePerRound.push(await bare())
          // the last archives' ends are still taken note of; that belongs to them
          rates.push(await whole())
          await sleep(500)
          return barePerRound.at(-1) ?? 0
        },
      })
      const bareIs = `workflows of ${String(acts)} activities, ${String(atOnce)} at once`
      return [
        {
          work: 'archives, targets of no cost',
          unit: '/s',
          ...measured,
          bareIs,
          goal: { of: 'ratio', is: 'at least', value: 0.8 },
          notes: await events(namespace),
        },
        {
          work: 'hint → archive → point, the same',
          unit: '/s',
          ours: summary(rates),
          bare: measured.bare,
          bareIs,
          ratio: summary(ratios(rates, barePerRound)),
          goal: null,
          notes: [`an entity's part: ${await historyOf(namespace, volumeWorkflowId(volumes[0] ?? ''))}`],
        },
      ]
    } finally {
      await namespace.close()
    }
  },
}

async function hint({ client }: BenchNamespace, volume: string): Promise<void> {
  await client.workflow.signalWithStart(workflowTypes.watchVolume, {
    ...{ workflowId: volumeWorkflowId(volume), taskQueue: controlQueue, signal: hintSignal },
    signalArgs: [[{ messageId: randomUUID(), event: 'volume.create.end' }]],
  })
}

/** What an entity asks of an archive; nobody holds lanes here. */
function requestFor(id: string): ArchiveRequest {
  return {
    volume: { id, name: `bench-${id.slice(0, 8)}`, projectId: 'bench', projectName: 'bench' },
    archiveId: randomUUID(),
    consistency: { prefer: ['detached', 'crash'], require: 'crash' },
    targets: [
      { target: 'free', kind: 'cinder-backup', writeQueue: controlQueue, verifyQueue: controlQueue, force: false },
    ],
    pace: { heartbeatSeconds: 60, firstRetrySeconds: 15, captureMaxAgeSeconds: 3600 },
    permits: [],
    ...{ policy: 'all', policyHash: '', slot: manualSlot(randomUUID()), attempt: 1 },
    ...{ capture: null, group: null, first: false, entity: null },
  }
}

/** What one of each wrote into its history. */
async function events(namespace: BenchNamespace): Promise<string[]> {
  const told: string[] = []
  for (const type of [workflowTypes.archiveVolume, 'bareActs']) {
    for await (const { workflowId } of namespace.client.workflow.list({
      query: `WorkflowType = '${type}'`,
      pageSize: 1,
    })) {
      told.push(`${type}: ${await historyOf(namespace, workflowId)}`)
      break
    }
  }
  return told
}
