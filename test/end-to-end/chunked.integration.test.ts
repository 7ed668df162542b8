import { afterAll, beforeAll, expect, it } from 'vitest'
import { expectOneProvenCopy } from './proof.js'
import { backupsOf, contentOf, leftoversOf, openStage, points, until, type Stage } from './stage.js'

let stage: Stage
beforeAll(async () => {
  stage = await openStage({ driver: 'chunked', timeoutSeconds: 60 })
})
afterAll(async () => {
  await stage.close()
})

it('backs up the snapshot itself with a chunked driver, and builds the next copy upon the first', async () => {
  const tenant = await stage.tenant('payments')
  const volume = await tenant.createVolume('db', { metadata: { archive: 'gold' } })
  await tenant.use(volume)
  const first = await expectOneProvenCopy(stage, volume)
  await tenant.use(volume)
  const [second] = await points(stage, volume, 'verified', 2)
  if (second === undefined) throw new Error('a list of two has a first')
  await stage.client.workflow.getHandle(second.archive).result()
  expect(second.copies).toMatchObject([{ basePoint: first.point, rootHash: await contentOf(stage, volume) }])
  expect(first.copies[0]?.basePoint).toBeNull()
  const [full, incremental, ...others] = backupsOf(stage, volume)
  expect(others).toEqual([])
  expect(incremental).toMatchObject({ volumeId: volume.id, parentId: full?.id, status: 'available' })
  await stage.sandbox.idle()
  expect(leftoversOf(stage, volume, [first.archiveId, second.archiveId])).toEqual([])
  // no temporary volume was ever made
  const made = stage.sandbox.record.requests.filter(
    ({ method, path, body }) =>
      method === 'POST' && path.endsWith('/volumes') && JSON.stringify(body).includes('-temp'),
  )
  expect(made).toEqual([])
})

it('goes on with an archive when all processes are told to end in the midst of it, and others are started', async () => {
  const tenant = await stage.tenant('payments')
  const volume = await tenant.createVolume('web', { metadata: { archive: 'gold' } })
  // longer than the processes drain
  const slow = stage.sandbox.faults.add({
    ...{ kind: 'slow', milliseconds: 14_000, method: 'POST', path: '/backups$', body: volume.id },
  })
  await tenant.use(volume)
  await until('the backup', () => stage.sandbox.faults.list().some(({ id, hits }) => id === slow && hits > 0))
  // it fails when one of them does not end well
  await stage.roles.stop()
  for (const role of ['listener', 'control', 'mover'] as const) stage.roles.start(role)
  await expectOneProvenCopy(stage, volume)
})
