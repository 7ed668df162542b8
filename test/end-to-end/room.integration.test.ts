import { afterAll, beforeAll, expect, it } from 'vitest'
import type { Tenant } from '../../demo/tenant.js'
import type { Volume } from '../../openstack/cinder.js'
import type { Quota } from '../../sandbox/state.js'
import type { ArchiveOutcome } from '../../workflows/messages.js'
import { searchAttributes } from '../../workflows/search-attributes.js'
import { archivesOf, backupsOf, leftoversOf, openStage, points, statusOf, until, type Stage } from './stage.js'

let stage: Stage
let tenant: Tenant
beforeAll(async () => {
  stage = await openStage({ timeoutSeconds: 60 })
  tenant = await stage.tenant('payments')
})
afterAll(async () => {
  await stage.close()
})

/** Changes the quota of the project that Cinderkeep works in; returns how to undo it. */
function quota(change: Partial<Quota>): () => void {
  const { projects, quotas } = stage.sandbox.state
  const id = [...projects.values()].find(({ name }) => name === 'admin')?.id ?? ''
  const before = quotas.get(id)
  if (before === undefined) throw new Error('the project has a quota')
  quotas.set(id, { ...before, ...change })
  return () => {
    quotas.set(id, before)
  }
}

async function firstOutcome(volume: Volume): Promise<{ archive: string; outcome: ArchiveOutcome }> {
  await until(`an archive of ${volume.name}`, async () => (await archivesOf(stage, volume)).length > 0)
  const [archive = ''] = await archivesOf(stage, volume)
  // it has not failed: nothing is wrong
  return { archive, outcome: (await stage.client.workflow.getHandle(archive).result()) as ArchiveOutcome }
}

const asksOf = (volume: Volume, path: RegExp) =>
  stage.sandbox.record.requests.filter(
    (one) => one.method === 'POST' && path.test(one.path) && JSON.stringify(one.body).includes(volume.id),
  )

/** The column that the UI shows, and whether the volume counts as failing. */
async function shownOf(volume: Volume, archive: string) {
  const { typedSearchAttributes } = await stage.client.workflow.getHandle(archive).describe()
  const status = await statusOf(stage, volume)
  return {
    phase: typedSearchAttributes.get(searchAttributes.phase),
    protection: status?.protection,
    wants: status?.wants['cinder'],
  }
}

it('puts an archive off before it makes anything, and makes it when there is room', async () => {
  const undo = quota({ backup_gigabytes: 0 })
  const volume = await tenant.createVolume('no-room')
  const { archive, outcome } = await firstOutcome(volume)
  const says = 'backup_gigabytes: 0 of 0 are used, and 1 more would be needed'
  expect(outcome).toMatchObject({
    capture: null,
    targets: [{ target: 'cinder', copy: null, failure: { code: 'CK-DEFERRED' } }],
  })
  expect(outcome.targets[0]?.failure?.message).toContain(says)
  expect(asksOf(volume, /\/(snapshots|volumes|backups)$/)).toEqual([])
  const shown = await shownOf(volume, archive)
  expect(shown).toMatchObject({ phase: 'deferred', protection: null, wants: { failures: 0, deferrals: 1 } })
  expect(shown.wants?.reason).toContain(says)

  const byHand = await stage.command('archive', volume.id, '--wait')
  expect(byHand.code).toBe(3)
  expect(byHand.stdout).toContain('deferred')
  const plan = await stage.command('policy', 'plan', 'rest')
  expect(plan.stdout).toContain('There is no room on cinder now for 1 volume (no-room)')

  undo()
  await points(stage, volume)
})

it('cleans up when the room is taken in mid-archive, and makes it when there is room again', async () => {
  // the answer to the snapshot comes late: by then there was room, and now there is none for the temporary volume
  stage.sandbox.faults.add({ kind: 'slow', milliseconds: 3000, method: 'POST', path: '/snapshots$' })
  const volume = await tenant.createVolume('room-taken')
  await until('the snapshot', () => asksOf(volume, /\/snapshots$/).length > 0)
  const undo = quota({ volumes: 0 })
  const { archive, outcome } = await firstOutcome(volume)
  expect(outcome.capture).not.toBeNull()
  expect(outcome.targets).toMatchObject([{ target: 'cinder', copy: null, failure: { code: 'CK-CLOUD-QUOTA' } }])
  await stage.sandbox.idle()
  expect(leftoversOf(stage, volume, [outcome.archiveId])).toEqual([])
  expect(backupsOf(stage, volume)).toEqual([])
  expect(await shownOf(volume, archive)).toMatchObject({
    phase: 'deferred',
    protection: null,
    wants: { failures: 0 },
  })

  undo()
  const [point] = await points(stage, volume)
  expect(point?.archive).not.toBe(archive)
})
