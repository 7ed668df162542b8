import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { archiveIdOf } from '../../activities/archive-id.js'
import { assessVolume } from '../../activities/assess.js'
import type { Deps } from '../../activities/control-activities.js'
import { policiesOptions, toPolicies } from '../../policy/options.js'
import type { AssessRequest } from '../../workflows/messages.js'
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
  ...{ volumeId, slot, attempt: 1, events: ['volume.detach.end'], manual: false, targets: null },
  ...change,
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
    const elsewhere = { ...deps, sources: { find: () => undefined } }
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
