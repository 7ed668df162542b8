import { expect } from 'vitest'
import type { Volume } from '../../openstack/cinder.js'
import type { RecoveryPoint } from '../../workflows/messages.js'
import { archivesOf, backupsOf, contentOf, leftoversOf, points, type Stage } from './stage.js'

/**
 * What every archive must come to, whatever went wrong on the way: one archive, one backup, verified against what the
 * tenant wrote, marked so on the target, and nothing left beside it.
 */
export async function expectOneProvenCopy(stage: Stage, volume: Volume): Promise<RecoveryPoint> {
  const [point, ...more] = await points(stage, volume)
  if (point === undefined) throw new Error('a list of at least one has a first')
  expect(more).toEqual([])
  // it releases after it has reported
  await stage.client.workflow.getHandle(point.archive).result()
  await stage.sandbox.idle()
  expect(leftoversOf(stage, volume, [point.archiveId])).toEqual([])
  const content = await contentOf(stage, volume)
  expect(point.copies).toMatchObject([{ target: 'cinder', state: 'verified', rootHash: content }])
  const [backup, ...others] = backupsOf(stage, volume)
  expect(others.map(({ name }) => name)).toEqual([])
  expect(backup).toMatchObject({ id: point.copies[0]?.ref['backupId'], status: 'available' })
  expect(JSON.parse(backup?.metadata['ck:state'] ?? '{}')).toMatchObject({ state: 'verified', rootHash: content })
  expect(await archivesOf(stage, volume)).toEqual([point.archive])
  return point
}
