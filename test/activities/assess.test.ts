import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { archiveIdOf } from '../../activities/archive-id.js'
import { assessVolume } from '../../activities/assess.js'
import type { Deps } from '../../activities/control-activities.js'
import { policiesOptions, toPolicies } from '../../policy/options.js'
import type { AssessRequest } from '../../workflows/messages.js'
import { reconcileEvent, scheduleEvent } from '../../workflows/messages.js'
import { activityBench, type ActivityBench } from './bench.js'

let bench: ActivityBench
let deps: Deps
beforeAll(async () => {
  bench = await activityBench()
})
beforeEach(() => {
  bench.sandbox.record.clear()
  const policies = toPolicies(
    policiesOptions.parse({
      gold: {
        where: { metadata: { archive: 'gold' } },
        on: ['volume.detach.end'],
        settle: '5s',
        copies: [{ target: 'cinder' }],
      },
    }),
  )
  deps = { ...bench.deps, policies }
})
afterAll(async () => {
  await bench.end()
})

const slot = 'event:volume.detach.end:1'
const asked = (volumeId: string, change: Partial<AssessRequest> = {}): AssessRequest => ({
  ...{ volumeId, slot, attempt: 1, events: ['volume.detach.end'], manual: false, targets: null, last: null },
  ...change,
})

describe('who takes the snapshot', () => {
  async function planOf(kind: 'rbd' | 'file' | null, ...reads: ('source' | 'cinder' | undefined)[]) {
    const volumeId = await bench.newVolume({ archive: 'gold' })
    const names = reads.map((_one, i) => `t${i}`)
    const copies = names.map((target) => ({ target }))
    const policies = toPolicies(policiesOptions.parse({ gold: { on: ['volume.detach.end'], copies } }))
    const queues = { write: 'move' as const, verify: 'move' as const }
    const targets = names.map((name, i) => [name, { name, kind: 'ceph', queues, reads: reads[i] }] as const)
    const source = kind === null ? undefined : { kind, zone: 'east' }
    const given = { policies, targets: new Map(targets), sources: { zones: ['east'], find: () => source } }
    const verdict = await bench.run(assessVolume({ ...deps, ...(given as unknown as Partial<Deps>) }), asked(volumeId))
    return { volumeId, capturedBy: verdict.plan?.capturedBy }
  }

  it('are we ourselves, near the storage, when all targets read an RBD image themselves', async () => {
    const { volumeId, capturedBy } = await planOf('rbd', 'source', 'source')
    expect(capturedBy).toMatchObject({ maker: 'rbd', queue: 'move@east', place: { volumeId, nameId: null } })
    expect(Math.abs((capturedBy?.seconds ?? 0) * 1000 - Date.now())).toBeLessThan(60_000)
  })

  it.each([
    ['one target needs a snapshot of Cinder’s', 'rbd', ['source', undefined]],
    ['one target says so', 'rbd', ['cinder', 'source']],
    ['the source has no RBD images', 'file', ['source']],
    ['no source reaches the volume', null, ['source']],
  ] as const)('is Cinder when %s', async (_why, kind, reads) => {
    expect((await planOf(kind, ...reads)).capturedBy).toBeUndefined()
  })
})

describe('archiveIdOf', () => {
  it('is the uuid5 of RFC 9562', () => {
    // python3 -c 'import uuid; print(uuid.uuid5(uuid.NAMESPACE_DNS, "v/manual:s/2"))'
    expect(archiveIdOf('6ba7b810-9dad-11d1-80b4-00c04fd430c8', 'v', 'manual:s', 2)).toBe(
      'e93ac372-9da9-51ba-9955-bf2bb6645d6e',
    )
  })

  it('is another for another installation, volume, slot or try, and the same for the same', () => {
    const [one, two] = [randomUUID(), randomUUID()]
    const ids = [
      archiveIdOf(one, 'v', 's', 1),
      archiveIdOf(two, 'v', 's', 1),
      archiveIdOf(one, 'w', 's', 1),
      archiveIdOf(one, 'v', 't', 1),
      archiveIdOf(one, 'v', 's', 2),
    ]
    expect(new Set(ids).size).toBe(ids.length)
    expect(archiveIdOf(one.toUpperCase(), 'v', 's', 1)).toBe(ids[0])
  })
})

describe('assessVolume', () => {
  it('plans an archive of a volume that a policy protects, under the name that all tries share', async () => {
    const id = await bench.newVolume({ archive: 'gold' })
    const verdict = await bench.run(assessVolume(deps), asked(id))
    expect(verdict).toMatchObject({
      ...{ kind: 'archive', policy: 'gold', policyHash: 'hash', settleSeconds: 5 },
      volume: { id, name: 'db', projectName: 'payments' },
      plan: {
        archiveId: archiveIdOf(bench.installation, id, slot, 1),
        consistency: { prefer: ['detached', 'crash'], require: 'crash' },
        pace: deps.pace,
      },
    })
    const again = await bench.run(assessVolume(deps), asked(id))
    expect(again.plan?.archiveId).toBe(verdict.plan?.archiveId)
    const second = await bench.run(assessVolume(deps), asked(id, { attempt: 2 }))
    expect(second.plan?.archiveId).not.toBe(verdict.plan?.archiveId)
  })

  it('sends what moves bytes to the zone of the volume, and what does not to the control worker', async () => {
    const id = await bench.newVolume({ archive: 'gold' })
    const { plan } = await bench.run(assessVolume(deps), asked(id))
    expect(plan?.targets).toEqual([
      { target: 'cinder', kind: 'cinder-backup', force: false, writeQueue: 'control', verifyQueue: 'move@east' },
    ])
    const elsewhere = { ...deps, sources: { zones: [], find: () => undefined } }
    const verdict = await bench.run(assessVolume(elsewhere), asked(id))
    expect(verdict.plan?.targets).toMatchObject([{ writeQueue: 'control', verifyQueue: 'control' }])
  })

  it('says that a volume is gone, and that its copies are kept', async () => {
    const id = randomUUID()
    const verdict = await bench.run(assessVolume(deps), asked(id))
    expect(verdict).toMatchObject({ kind: 'gone', volume: null, policy: null, plan: null })
    expect(verdict.reasons.join()).toContain('its copies are kept')
  })

  it('is no judge while Cinder does not answer', async () => {
    const id = await bench.newVolume({ archive: 'gold' })
    bench.sandbox.faults.add({ kind: 'status', status: 404, method: 'GET', path: `/volumes/${id}` })
    await expect(bench.run(assessVolume(deps), asked(id))).rejects.toMatchObject({ code: 'CK-CLOUD-NOT-FOUND' })
  })

  it('decides nothing while other policies are applied than its own', async () => {
    const id = await bench.newVolume({ archive: 'gold' })
    const other = assessVolume({ ...deps, appliedPolicyHash: async () => 'another' })
    await expect(bench.run(other, asked(id))).rejects.toMatchObject({
      code: 'CK-POLICY-DIFFERS',
      message: expect.stringContaining('(hash) are not the ones that were applied (another)') as unknown,
      cure: expect.stringContaining('cinderkeep policy apply') as unknown,
    })
    expect(bench.asked('GET', /volumes/)).toBe(0)
    const same = assessVolume({ ...deps, appliedPolicyHash: async () => 'hash' })
    expect(await bench.run(same, asked(id))).toMatchObject({ kind: 'archive' })
  })

  it('tells what the archive must be permitted to use: what has a limit or is paused, and nothing else', async () => {
    const id = await bench.newVolume({ archive: 'gold' })
    const [backend] = (bench.sandbox.state.volumes.get(id)?.host ?? '').split('#')
    const permits = async (change: Partial<Deps>) =>
      (await bench.run(assessVolume({ ...deps, ...change }), asked(id))).plan?.permits
    expect(await permits({})).toEqual([])
    const limits = { targets: new Map([['cinder', 2]]), sources: [{ match: '*@files#*', permits: 3 }] }
    expect(await permits({ limits })).toEqual([
      { scope: `backend:${backend}`, limit: 3 },
      { scope: 'target:cinder', limit: 2 },
    ])
    expect(await permits({ pausedScopes: async () => ['all', 'target:cinder', 'target:other'] })).toEqual([
      { scope: 'all', limit: null },
      { scope: 'target:cinder', limit: null },
    ])
    const policies = deps.policies.map((policy) => ({ ...policy, permits: 4 }))
    expect(await permits({ policies })).toEqual([{ scope: 'policy:gold', limit: 4 }])
    const elsewhere = { ...limits, sources: [{ match: '*@ceph#*', permits: 3 }] }
    expect(await permits({ limits: elsewhere })).toEqual([{ scope: 'target:cinder', limit: 2 }])
  })

  it('asks Nova for the names of servers where a policy looks at them, and only there', async () => {
    const id = await bench.newVolume()
    bench.attach(id)
    const server = bench.sandbox.state.volumes.get(id)?.attachments[0]?.serverId
    const names: string[] = []
    const serverName = async (asked: string) => {
      names.push(asked)
      return 'db-1'
    }
    expect(await bench.run(assessVolume({ ...deps, serverName }), asked(id))).toMatchObject({ kind: 'none' })
    expect(names).toEqual([])
    const [gold] = deps.policies
    if (gold === undefined) throw new Error('there is one')
    const policies = [{ ...gold, where: { server: ['db-*'] } }]
    const verdict = await bench.run(assessVolume({ ...deps, policies, serverName }), asked(id))
    expect(verdict).toMatchObject({ kind: 'archive', policy: 'gold' })
    expect(names).toEqual([server])
    // a volume must not lose its policy because Nova is away
    const away = assessVolume({ ...deps, policies, serverName: async () => Promise.reject(new Error('away')) })
    await expect(bench.run(away, asked(id))).rejects.toThrow('away')
  })

  it('tells the policy of reconcile and of schedules apart from notifications', async () => {
    const id = await bench.newVolume({ archive: 'gold' })
    const [gold] = deps.policies
    if (gold === undefined) throw new Error('there is one')
    const policies = [{ ...gold, every: '* * * * *', rpoSeconds: 3600 }]
    const ask = async (events: string[], last: AssessRequest['last'] = null) =>
      bench.run(assessVolume({ ...deps, policies }), asked(id, { events, last }))
    expect(await ask([scheduleEvent])).toMatchObject({ kind: 'archive', settleSeconds: 0, rpoSeconds: 3600 })
    expect(Date.parse((await ask([scheduleEvent])).nextAt ?? '')).toBeGreaterThan(Date.now() - 1000)
    const fresh = { capturedAt: new Date(Date.now() + 120_000).toISOString(), consistency: 'detached' as const }
    expect(await ask([reconcileEvent], fresh)).toMatchObject({ kind: 'none' })
    const old = { ...fresh, capturedAt: '2026-01-01T00:00:00Z' }
    expect(await ask([reconcileEvent], old)).toMatchObject({ kind: 'archive' })
  })

  it('lets no later policy take what an earlier one may protect by a name that Keystone does not show', async () => {
    const id = await bench.newVolume({ archive: 'gold' })
    const projectId = bench.sandbox.state.volumes.get(id)?.projectId ?? ''
    const hidden = (project: string) => ({
      ...deps,
      policies: toPolicies(
        policiesOptions.parse({
          first: { where: { project }, on: ['volume.detach.end'], copies: [{ target: 'cinder' }] },
          rest: { on: ['volume.detach.end'], copies: [{ target: 'cinder' }] },
        }),
      ),
      projectName: async () => null,
    })
    await expect(bench.run(assessVolume(hidden('payments')), asked(id))).rejects.toMatchObject({
      code: 'CK-PROJECT-NAME-HIDDEN',
      cure: expect.stringContaining('ids of projects') as unknown,
    })
    expect(await bench.run(assessVolume(hidden(projectId)), asked(id))).toMatchObject({ policy: 'first' })
  })

  it('sees the project that a volume was transferred to', async () => {
    const id = await bench.newVolume({ archive: 'gold' })
    const research = [...bench.sandbox.state.projects.values()].find(({ name }) => name === 'research')
    const row = bench.sandbox.state.volumes.get(id)
    if (row === undefined || research === undefined) throw new Error('the sandbox has them')
    row.projectId = research.id
    const projectName = async (project: string) => (project === research.id ? 'research' : null)
    const verdict = await bench.run(assessVolume({ ...deps, projectName }), asked(id))
    expect(verdict).toMatchObject({ kind: 'archive', volume: { projectId: research.id, projectName: 'research' } })
    row.status = 'awaiting-transfer'
    expect(await bench.run(assessVolume(deps), asked(id))).toMatchObject({ kind: 'wait', plan: null })
  })

  it('selects nothing that Cinderkeep or the cloud made for itself, whatever its metadata says', async () => {
    const drill = await bench.newVolume({ archive: 'gold', 'ck:installation': bench.installation })
    expect(await bench.run(assessVolume(deps), asked(drill))).toMatchObject({ kind: 'none', plan: null })
    const foreign = await bench.newVolume({ archive: 'gold', 'ck:installation': randomUUID() })
    expect(await bench.run(assessVolume(deps), asked(foreign, { manual: true, targets: ['cinder'] }))).toMatchObject({
      ...{ kind: 'none', plan: null },
    })
    const cached = await bench.newVolume({ archive: 'gold' })
    const internalProjectId = bench.sandbox.state.volumes.get(cached)?.projectId ?? ''
    expect(await bench.run(assessVolume({ ...deps, internalProjectId }), asked(cached))).toMatchObject({ kind: 'none' })
  })
})
