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
import { searchAttributes } from '../workflows/search-attributes.js'
import { bareQueue } from './bare-workflows.js'
import { cpuMeter, cpuNote } from './cpu-meter.js'
import type { Figure } from './figure.js'
import { historyOf } from './history.js'
import type { BenchNamespace } from './place.js'
import { eachOf, interleave, rateOf, ratios, summary } from './rounds.js'

const sizes = { full: { archives: 120, rounds: 8 }, smoke: { archives: 4, rounds: 1 } }
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
      const worker = await namespace.start('bare-worker')
      const { workflow } = namespace.client
      /** Of which to tell what it wrote into its history. */
      const last = { ours: '', bare: '', entity: '', run: '' }
      const ours = () =>
        rateOf(count, () =>
          eachOf(count, atOnce, async () => {
            const request = requestFor(randomUUID())
            const { volume, slot } = request
            last.ours = archiveWorkflowId(volume.id, slot, 1)
            await workflow.execute(workflowTypes.archiveVolume, {
              ...{ workflowId: last.ours, taskQueue: controlQueue, args: [request] },
              typedSearchAttributes: columnsOf(request),
            })
          }),
        )
      const bare = () =>
        rateOf(count, () =>
          eachOf(count, atOnce, async () => {
            const workflowId = `bare/${randomUUID()}`
            last.bare = workflowId
            await workflow.execute('bareActs', { workflowId, taskQueue: bareQueue, args: [workflowId, acts] })
          }),
        )
      /** Those of which no archive runs: two hints at once for one volume may be one archive. */
      const idle = Array.from({ length: atOnce * 2 }, (): string => randomUUID())
      const released = new Map<string, () => void>()
      control.onTold((volume, what) => {
        if (what === 'released') released.get(volume)?.()
      })
      const whole = () =>
        rateOf(count, () =>
          eachOf(count, atOnce, async () => {
            const volume = idle.shift() ?? ''
            const end = new Promise<void>((resolve) => {
              released.set(volume, resolve)
            })
            last.run = await hint(namespace, volume)
            last.entity = volumeWorkflowId(volume)
            await end
            idle.push(volume)
          }),
        )
      await Promise.all([ours(), bare()])
      await whole()
      const rates: number[] = []
      const barePerRound: number[] = []
      const cpu = { ours: cpuMeter(control), whole: cpuMeter(control), bare: cpuMeter(worker) }
      const measured = await interleave(rounds, {
        ours: () => cpu.ours.during(ours),
        bare: async () => {
          barePerRound.push(await cpu.bare.during(bare))
          await cpu.whole.during(async () => {
            rates.push(await whole())
            // the last archives' ends are still taken note of; that belongs to them
            await sleep(500)
          })
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
          notes: [
            cpuNote('an archive', measured.ours.samples * count, cpu.ours, cpu.bare),
            `an archive: ${await historyOf(namespace, last.ours)}`,
            `bare: ${await historyOf(namespace, last.bare)}`,
          ],
        },
        {
          work: 'hint → archive → point, the same',
          unit: '/s',
          ours: summary(rates),
          bare: measured.bare,
          bareIs,
          ratio: summary(ratios(rates, barePerRound)),
          goal: null,
          notes: [
            cpuNote('an archive', measured.ours.samples * count, cpu.whole, cpu.bare),
            `an entity's part: ${await historyOf(namespace, last.entity, last.run)}`,
          ],
        },
      ]
    } finally {
      await namespace.close()
    }
  },
}

/** @returns the run that was told */
async function hint({ client }: BenchNamespace, volume: string): Promise<string> {
  const { signaledRunId } = await client.workflow.signalWithStart(workflowTypes.watchVolume, {
    ...{ workflowId: volumeWorkflowId(volume), taskQueue: controlQueue, signal: hintSignal },
    signalArgs: [[{ messageId: randomUUID(), event: 'volume.create.end' }]],
  })
  return signaledRunId
}

/** The columns that an entity gives its archive at the start. */
function columnsOf({ volume, targets }: ArchiveRequest) {
  const { name, project, target, policy, phase } = searchAttributes
  return [
    { key: name, value: volume.name },
    { key: project, value: volume.projectId },
    { key: target, value: targets.map((one) => one.target) },
    { key: policy, value: 'all' },
    { key: phase, value: 'capturing' },
  ]
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
    ...{ capture: null, group: null, first: false, entity: null, phase: 'capturing' },
  }
}
