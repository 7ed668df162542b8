import type { Volume } from '../openstack/cinder.js'
import { hashBytes } from '../source/hash-bytes.js'
import { openSources } from '../source/open-sources.js'
import { volumeWorkflowId, type RecoveryPoint } from '../workflows/messages.js'
import type { Script } from './script.js'
import type { Stage } from './stage.js'
import type { Tenant } from './tenant.js'
import { pointsOf, runIdOf, statusOf, waitFor, waitForCopies } from './watch.js'

/** What an act is played with. */
export interface Play {
  stage: Stage
  script: Script
}

/** Cinder answers 503 to everything that would make a snapshot, and the notification comes twice. */
export async function unavailableCinder({ stage, script }: Play, tenant: Tenant, volume: Volume): Promise<void> {
  const { faults } = stage.sandbox
  script.act(`Cinder is overloaded: ${tenant.project}/${volume.name}`)
  const refusals = faults.add({ kind: 'status', status: 503, method: 'POST', path: '/snapshots$', count: 2 })
  const doubled = faults.add({ kind: 'double-notification', event: 'volume.detach.end' })
  await tenant.use(volume)
  script.say(`${volume.name} was written and detached; the notification is sent twice, Cinder will answer 503 twice`)
  await struck(stage, refusals, 2)
  await struck(stage, doubled)
  await waitFor('a backup', () => backupInCreation(stage, volume))
  script.meanwhile(expectArchived({ stage, script }, volume))
  script.survived('Cinder answered 503 to two snapshot requests', 'asked again later; one snapshot, one backup')
  script.survived('volume.detach.end came twice', 'one archive')
}

/** Cinder does what it was asked, and the answer is lost on the way. */
export async function lostAnswers({ stage, script }: Play, tenant: Tenant, volume: Volume): Promise<void> {
  const { faults } = stage.sandbox
  script.act(`Answers get lost: ${tenant.project}/${volume.name}`)
  const lost = ['/snapshots$', '/backups$'].map((path) => faults.add({ kind: 'lost-answer', method: 'POST', path }))
  await tenant.use(volume)
  script.say(`${volume.name} was written and detached; a snapshot and a backup will be made whose answers are lost`)
  for (const id of lost) await struck(stage, id)
  script.meanwhile(expectArchived({ stage, script }, volume))
  script.survived(
    'the answers to "create snapshot" and "create backup" were lost',
    'looked for both by name, made neither twice',
  )
}

/** The worker that decides dies while a backup is made. */
export async function killedControl({ stage, script }: Play, tenant: Tenant, volume: Volume): Promise<void> {
  script.act(`The control worker dies: ${tenant.project}/${volume.name}`)
  await tenant.use(volume)
  await waitFor('a backup in creation', () => backupInCreation(stage, volume))
  await stage.roles.kill('control')
  script.say('kill -9 of the control worker while Cinder makes the backup')
  stage.roles.start('control')
  script.say('another control worker is started')
  script.meanwhile(expectArchived({ stage, script }, volume))
  script.survived('control worker killed while the backup was made', 'another one found the backup by name and went on')
}

/** The process that reads copies back dies while it does. */
export async function killedMover({ stage, script }: Play, tenant: Tenant, volume: Volume): Promise<void> {
  script.act(`The mover dies: ${tenant.project}/${volume.name}`)
  await tenant.use(volume)
  const backup = await waitFor('a backup', () => backupInCreation(stage, volume))
  await waitFor('its restore', () => (stage.sandbox.state.backups.get(backup)?.status === 'restoring' ? true : null))
  await stage.roles.kill('mover')
  script.say('kill -9 of the mover while the copy is restored to be read back')
  stage.roles.start('mover')
  script.say('another mover is started')
  script.meanwhile(expectArchived({ stage, script }, volume))
  script.survived('mover killed while it read a copy back', 'another one went on; no scratch volume was left')
}

/** A volume that is born with content, from a snapshot; other volumes of its tenant are none of our business. */
export async function newVolume({ stage, script }: Play, tenant: Tenant, template: Volume): Promise<Volume> {
  script.act(`A volume is created, and one notification is lost: ${tenant.project}`)
  const lost = stage.sandbox.faults.add({ kind: 'lose-notification', event: 'volume.attach.end' })
  await tenant.use(template)
  const snapshotId = await tenant.snapshot(template)
  const volume = await tenant.createVolume('site', { snapshotId })
  script.say('site was created from a snapshot; volume.create.end asks for an archive')
  await struck(stage, lost)
  script.meanwhile(expectArchived({ stage, script }, volume))
  script.survived('volume.attach.end was lost', 'notifications are hints: nothing depended on it')
  return volume
}

/** Cinder calls a backup `available` whose bytes are no longer what they were. */
export async function damagedBackup({ stage, script }: Play, tenant: Tenant, volume: Volume): Promise<void> {
  script.act(`A backup is damaged: ${tenant.project}/${volume.name}`)
  const damage = stage.sandbox.faults.add({ kind: 'damage-backup', how: 'flip' })
  await tenant.use(volume)
  script.say(`${volume.name} was written and detached; one bit of its backup will flip, Cinder will not notice`)
  await struck(stage, damage)
  script.meanwhile(expectDamaged({ stage, script }, volume))
}

async function expectDamaged({ stage, script }: Play, volume: Volume): Promise<void> {
  const [point] = await waitForCopies(stage, volume, 'damaged')
  const [copy] = point?.copies ?? []
  const backup = stage.sandbox.state.backups.get(copy?.ref['backupId'] ?? '')
  script.say(`damaged: ${volume.name} ${point?.point ?? ''}, ${copy?.reason ?? ''}`)
  script.check('Cinder still calls the damaged backup available', backup?.status === 'available')
}

/** The archive with the damaged copy has failed, so it is tried again, a minute later. */
export async function healed({ stage, script }: Play, volume: Volume): Promise<void> {
  script.act(`The damaged archive is tried again: ${volume.name}`)
  await expectArchived({ stage, script }, volume)
  const points = await pointsOf(stage, volume.id)
  script.check(
    'the damaged copy is kept and still called damaged',
    points.some(({ copies }) => copies[0]?.state === 'damaged'),
  )
}

/** What the button Cancel in the Temporal UI does. */
export async function cancelledEntity({ stage, script }: Play, volume: Volume): Promise<void> {
  script.act(`Somebody cancels volume/${volume.name} in the Temporal UI`)
  const before = await pointsOf(stage, volume.id)
  const run = await runIdOf(stage, volume.id)
  await stage.client.workflow.getHandle(volumeWorkflowId(volume.id)).cancel()
  await waitFor('the cancelled workflow to rebuild', async () =>
    (await runIdOf(stage, volume.id)) !== run && (await isRebuilt(stage, volume)) ? true : null,
  )
  const after = await pointsOf(stage, volume.id)
  script.check(`${volume.name} has the same points after Cancel`, essence(after) === essence(before))
  script.say(`it read its points from the target again: ${after.length} before, ${before.length} after, the same`)
  script.survived(`volume/${volume.name} cancelled`, 'rebuilt from the target, the same points')
}

/** What the button Terminate does: the workflow is gone until something happens to the volume. */
export async function terminatedEntity({ stage, script }: Play, tenant: Tenant, volume: Volume): Promise<void> {
  script.act(`Somebody terminates volume/${volume.name} in the Temporal UI`)
  const before = await pointsOf(stage, volume.id)
  await stage.client.workflow.getHandle(volumeWorkflowId(volume.id)).terminate('the demo')
  await tenant.use(volume)
  script.say(`${volume.name} was written and detached again`)
  await expectArchived({ stage, script }, volume, before.length + 1)
  const after = await pointsOf(stage, volume.id)
  const old = after.filter(({ point }) => before.some((one) => one.point === point))
  script.check(`${volume.name} has its old points after Terminate`, essence(old) === essence(before))
  script.say(`it knows its ${before.length} old point again, and one more`)
  script.survived(`volume/${volume.name} terminated`, 'rebuilt from the target, the same points and a new one')
}

/** Waits for verified copies, and compares the newest hash with what the tenant wrote. */
async function expectArchived({ stage, script }: Play, volume: Volume, count = 1): Promise<void> {
  const points = await waitForCopies(stage, volume, 'verified', count)
  const [newest] = points
  const expected = await contentHash(stage, volume)
  script.check(`the copy of ${volume.name} has the hash of what was written`, newest?.rootHash === expected)
  script.check(`${volume.name} has ${count} verified copies`, points.length === count)
  script.say(
    `verified: ${volume.name} ${newest?.point ?? ''} ${newest?.consistency ?? ''} ${(newest?.rootHash ?? '').slice(0, 31)}…`,
  )
}

async function contentHash({ dir }: Stage, volume: Volume): Promise<string> {
  const source = openSources([{ match: '*', kind: 'file', dir: `${dir}/volumes`, zone: 'default' }]).find('any')
  if (source === undefined) throw new Error('a pattern of * fits everything')
  const place = { volumeId: volume.id, host: null, nameId: null, snapshotId: null }
  return (await hashBytes(await source.open(place))).rootHash
}

async function isRebuilt(stage: Stage, volume: Volume): Promise<boolean> {
  const status = await statusOf(stage, volume.id)
  return status?.rebuilding?.length === 0
}

/** What must survive a rebuild. */
function essence(points: RecoveryPoint[]): string {
  return JSON.stringify(
    points.map(({ point, archiveId, rootHash, consistency, copies }) => [
      ...[point, archiveId, rootHash, consistency],
      copies.map(({ target, state, ref, verifiedAt }) => [target, state, ref, verifiedAt]),
    ]),
  )
}

/** The backup that is being made of a capture of this volume; Ceph's driver makes it of a temporary volume. */
function backupInCreation({ sandbox: { state } }: Stage, { id }: Volume): string | null {
  const isOf = (temporaryId: string): boolean => {
    const snapshot = state.snapshots.get(state.volumes.get(temporaryId)?.snapshotId ?? '')
    return snapshot?.volumeId === id
  }
  const all = [...state.backups.values()]
  return all.find((backup) => backup.status === 'creating' && isOf(backup.volumeId))?.id ?? null
}

async function struck({ sandbox }: Stage, fault: string, times = 1): Promise<void> {
  await waitFor(`fault ${fault} to strike`, () =>
    sandbox.faults.list().find(({ id }) => id === fault)?.hits === times ? true : null,
  )
}
