/** What the control worker does about targets that only movers reach: it says who does it, and never goes there itself. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { assessVolume } from '../../activities/assess.js'
import type { Deps } from '../../activities/control-activities.js'
import { findMovers } from '../../activities/find-movers.js'
import { findRoom } from '../../activities/find-room.js'
import { planVerify } from '../../activities/plan-verify.js'
import { undoArchive } from '../../activities/undo-archive.js'
import { policiesOptions, toPolicies } from '../../policy/options.js'
import type { Copy, Target } from '../../targets/target.js'
import { activityBench, type ActivityBench } from './bench.js'

let bench: ActivityBench
let deps: Deps
beforeAll(async () => {
  bench = await activityBench()
  const policies = toPolicies(
    policiesOptions.parse({
      gold: { on: ['volume.detach.end'], copies: [{ target: 'cinder' }, { target: 'far' }] },
    }),
  )
  deps = { ...bench.deps, policies, targets: new Map([...bench.deps.targets, ['far', far({})]]) }
})
afterAll(async () => {
  await bench.end()
})

/** Whatever a test does not expect to be done about it throws. */
function far(acts: Partial<Target>): Target {
  const queues = { write: 'move', verify: 'move' } as const
  return { name: 'far', kind: 'ceph', queues, reads: 'source', zone: 'west', ...acts } as Target
}

const asked = (volumeId: string) => ({
  ...{ volumeId, slot: 's', attempt: 1, events: [], manual: true, targets: null, last: null },
})

describe('assessVolume', () => {
  it('plans who does everything else about such a target, and leaves the others to the control worker', async () => {
    const { plan } = await bench.run(assessVolume(deps), asked(await bench.newVolume()))
    expect(plan?.targets).toEqual([
      { target: 'cinder', kind: 'cinder-backup', force: false, writeQueue: 'control', verifyQueue: 'move@east' },
      {
        ...{ target: 'far', kind: 'ceph', force: false, writeQueue: 'move@east', verifyQueue: 'move@east' },
        nearQueue: 'move@west',
      },
    ])
  })

  it('sends it to those movers also when no source reaches the volume: there it says so', async () => {
    const elsewhere = { ...deps, sources: { zones: [], find: () => undefined } }
    const { plan } = await bench.run(assessVolume(elsewhere), asked(await bench.newVolume()))
    expect(plan?.targets).toMatchObject([
      { target: 'cinder', writeQueue: 'control', verifyQueue: 'control' },
      { target: 'far', writeQueue: 'move@west', verifyQueue: 'move@west', nearQueue: 'move@west' },
    ])
  })
})

describe('findMovers', () => {
  const here = { queue: null, heartbeatSeconds: 60 }
  const west = { queue: 'move@west', heartbeatSeconds: 60 }

  it('tells who is near a target, as configured now', async () => {
    expect(await findMovers(deps)({ targets: null })).toEqual({ cinder: here, far: west })
    expect(await findMovers(deps)({ targets: ['far'] })).toEqual({ far: west })
  })

  it('knows no target that is configured no more', async () => {
    await expect(findMovers(deps)({ targets: ['old'] })).rejects.toMatchObject({ code: 'CK-TARGET-UNKNOWN' })
  })
})

describe('findRoom', () => {
  it('says which targets have none, with the volume as Cinder shows it', async () => {
    const seen: unknown[] = []
    const preflight: Target['preflight'] = async (volume) => {
      seen.push(volume)
      return { fits: false, reason: 'full' }
    }
    const targets = new Map([...deps.targets, ['far', far({ preflight })]])
    const volumeId = await bench.newVolume()
    const request = { volumeId, archive: 'archive/x', targets: [{ target: 'far', force: false }] }
    expect(await bench.run(findRoom({ ...deps, targets }), request)).toEqual([{ target: 'far', reason: 'full' }])
    expect(seen).toEqual([{ sizeGib: 1, host: expect.stringContaining('@files#') as unknown }])
  })
})

describe('planVerify', () => {
  const copy = (target: string) => ({ target, point: 'p', state: 'verified' }) as Copy
  const request = (volumeId: string, ...targets: string[]) => ({
    ...{ volumeId, point: 'p', targets: null, copies: targets.map(copy) },
  })

  it('tells who reads a copy and who marks it', async () => {
    const { copies } = await bench.run(planVerify(deps), request(await bench.newVolume(), 'cinder', 'far'))
    expect(copies).toEqual([
      { copy: copy('cinder'), queue: 'move@east' },
      { copy: copy('far'), queue: 'move@east', nearQueue: 'move@west' },
    ])
  })

  it('finds movers near the copy of a volume that is gone, whatever zones sources have', async () => {
    const zones = { ...deps, sources: { ...deps.sources, zones: ['east', 'north'] } }
    const { copies } = await bench.run(planVerify(zones), request(crypto.randomUUID(), 'far'))
    expect(copies).toMatchObject([{ queue: 'move@west', nearQueue: 'move@west' }])
  })

  it('asks no target itself', async () => {
    const nothing = bench.run(planVerify(deps), request(await bench.newVolume()))
    await expect(nothing).rejects.toMatchObject({ code: 'CK-POINT-UNKNOWN' })
  })
})

describe('undoArchive', () => {
  it('leaves to its movers what lies on such a target, and releases the capture all the same', async () => {
    const volumeId = await bench.newVolume()
    const { archiveId } = bench.request(volumeId)
    const left = await bench.run(undoArchive(deps), { volumeId, archiveId, targets: ['cinder', 'far', 'old'] })
    expect(left).toEqual({ far: 'move@west' })
  })
})
