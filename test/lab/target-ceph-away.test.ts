/**
 * Clusters that stop answering, at once or in the midst of a copy: nothing is concluded, and later all goes on. `CK_AWAY=all`
 * tries more moments; each takes a minute, since clients and OSDs are patient.
 */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Capture, Copy, CopyContext } from '../../targets/target.js'
import { cephHands, type CephHands } from '../helpers/ceph-hands.js'
import { labEnvironment, labService, type LabService } from '../helpers/lab.js'
import { quickVolume, type QuickVolume } from '../helpers/quick-volume.js'
import { cephBench, type CephBench } from '../targets/ceph-bench.js'
import { contextFor } from '../targets/contract.js'

const lab = labEnvironment()
const mib = 2 ** 20
const whole: LabService[] = ['backup-mon', 'backup-osd']
/** What is longer than the slowest answer of a busy lab, and short enough to wait for. */
const given = { pace: { stallMs: 6_000, commandMs: 6_000 } }
const few = process.env['CK_AWAY'] !== 'all'

let bench: CephBench
let prod: CephHands
let backup: CephHands
let volume: QuickVolume
let capture: Capture
let stopped: LabService[] = []
beforeAll(async () => {
  bench = await cephBench(lab)
  prod = cephHands(lab, 'prod')
  backup = cephHands(lab, 'backup')
})
afterAll(async () => {
  await bench.end()
  await Promise.all([prod.end(), backup.end()])
})
beforeEach(async () => {
  volume = await quickVolume(bench, 128, { prod, copies: backup })
  await volume.act({ act: 'write', offset: 0, length: 96 * mib, seed: 1 })
  capture = await volume.capture()
})
afterEach(async () => {
  await goOn()
  await volume.end()
})

/**
 * A monitor sleeps; an OSD is killed. One that slept for longer than its placement groups' leases (16 s) would leave some of
 * them without an answer for ever, on a lab where it has no peers.
 */
const isOsd = (service: LabService): boolean => service.endsWith('-osd')

async function stop(...services: LabService[]): Promise<void> {
  stopped = services
  for (const service of services) await labService(lab, isOsd(service) ? 'kill' : 'pause', service)
}

async function goOn(): Promise<void> {
  for (const service of stopped) await labService(lab, isOsd(service) ? 'start' : 'continue', service)
  stopped = []
}

/** Somewhere between the first byte and the last. */
function stopsOnTheWay(...services: LabService[]): CopyContext {
  let calls = 0
  return {
    ...contextFor().context,
    throttle: async () => {
      calls += 1
      if (calls === 3) await stop(...services)
    },
  }
}

async function write(context: CopyContext): Promise<Copy> {
  return bench.open(given).writeCopy(capture, null, context)
}

/** Everything is as if nothing had happened. */
async function mustGoWell(): Promise<void> {
  await goOn()
  const copy = await bench.verified(capture)
  await volume.mustBeRight(copy, capture)
  await volume.mustHoldOnly([copy])
  expect((await prod.look(volume.image))?.snapshots.map(({ name }) => name)).toEqual([capture.snapshotName])
}

describe('the cluster of the copies is away', () => {
  it('when a copy is to be written: it is told, and the next try is right', async () => {
    await stop(...whole)
    await expect(write(contextFor().context)).rejects.toMatchObject({ code: 'CK-TARGET-AWAY' })
    await mustGoWell()
  })

  it.each<{ how: string; services: LabService[] }>([
    { how: 'without its OSDs', services: ['backup-osd'] },
    ...(few ? [] : [{ how: 'as a whole', services: whole }]),
  ])('in the midst of writing, $how: it is told, and the next try is right', async ({ services }) => {
    await expect(write(stopsOnTheWay(...services))).rejects.toMatchObject({ code: 'CK-TARGET-AWAY' })
    await mustGoWell()
  })

  it.skipIf(few)('in the midst of writing, and the archive is given up: nothing is left', async () => {
    await expect(write(stopsOnTheWay('backup-osd'))).rejects.toMatchObject({ code: 'CK-TARGET-AWAY' })
    await goOn()
    const archive = { archiveId: capture.archiveId, volumeId: volume.id }
    await bench.open().removeTemporaries(archive, contextFor().context)
    await volume.mustHoldOnly([])
  })

  it('while a copy is read back: it is not called damaged', async () => {
    const copy = await write(contextFor().context)
    const verifying = bench.open(given).verifyCopy(copy, null, stopsOnTheWay('backup-osd'))
    await expect(verifying).rejects.toMatchObject({ code: 'CK-TARGET-AWAY' })
    await mustGoWell()
  })

  it.skipIf(few)('while a copy is removed: it is told, and the next try removes it', async () => {
    const copy = await write(contextFor().context)
    const context: CopyContext = { ...contextFor().context }
    let stopping: Promise<void> | undefined
    context.report = () => {
      stopping ??= stop('backup-osd')
    }
    await expect(bench.open(given).removeCopy(copy, context)).rejects.toMatchObject({ code: 'CK-TARGET-AWAY' })
    await stopping
    await goOn()
    await bench.open().removeCopy(copy, contextFor().context)
    await volume.mustHoldOnly([])
  })
})

describe('the cluster of the volumes is away', () => {
  it.skipIf(few)('when a copy is to be written: it is told', async () => {
    await stop('prod-mon', 'prod-osd')
    await expect(write(contextFor().context)).rejects.toMatchObject({ code: 'CK-SOURCE-AWAY' })
    await mustGoWell()
  })

  it('in the midst of reading a volume whole: it is told', async () => {
    await expect(write(stopsOnTheWay('prod-osd'))).rejects.toMatchObject({ code: 'CK-SOURCE-AWAY' })
    await mustGoWell()
  })

  it.skipIf(few)('in the midst of reading what changed: it is told', async () => {
    await bench.verified(capture)
    await volume.act({ act: 'write', offset: 8 * mib, length: 64 * mib, seed: 2 })
    const first = capture
    capture = await volume.capture()
    await expect(write(stopsOnTheWay('prod-osd'))).rejects.toMatchObject({ code: 'CK-SOURCE-AWAY' })
    await goOn()
    const copy = await bench.verified(capture)
    expect(copy.basePoint).toBe(first.point)
    await volume.mustBeRight(copy, capture)
  })
})
