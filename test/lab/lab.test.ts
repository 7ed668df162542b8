import { execFile } from 'node:child_process'
import { randomBytes, randomUUID } from 'node:crypto'
import { homedir } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { connect, type ChannelModel } from 'amqplib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createLog } from '../../log/log.js'
import { cinder, type Cinder } from '../../openstack/cinder.js'
import { loadCloud } from '../../openstack/clouds-yaml.js'
import { isCloudError } from '../../openstack/errors.js'
import { connectCloud } from '../../openstack/session.js'
import {
  labEnvironment,
  labService,
  listImages,
  listRbdSnapshots,
  sha256OfRbd,
  tenantOs,
  volumeImage,
  writeRbd,
} from '../helpers/lab.js'

const lab = labEnvironment()
const run = promisify(execFile)
const log = createLog('error')
const name = `lab-smoke-${randomUUID()}`

async function cinderAs(os: Record<string, string>): Promise<Cinder> {
  return cinder(connectCloud(await loadCloud({ env: os, cwd: lab.dir, home: homedir() }), { log }))
}

/** Asks until the answer is `wanted`; the test's own time limit ends it. An `error…` status ends it at once. */
async function becomes(what: () => Promise<{ status: string }>, wanted: string): Promise<void> {
  for (;;) {
    const { status } = await what().catch((error: unknown) => {
      if (isCloudError(error, 'CK-VOLUME-GONE', 'CK-SNAPSHOT-GONE', 'CK-BACKUP-GONE')) return { status: 'gone' }
      throw error
    })
    if (status === wanted) return
    if (status.startsWith('error')) throw new Error(`is ${status}, was to become ${wanted}`)
    await sleep(300)
  }
}

/** A queue of our own on the exchange of Cinder's notifications; the event types seen for one object, as they come. */
async function hear(model: ChannelModel, id: string): Promise<string[]> {
  const channel = await model.createChannel()
  const { queue } = await channel.assertQueue('', { exclusive: true })
  await channel.bindQueue(queue, 'openstack', 'notifications.info')
  const heard: string[] = []
  await channel.consume(
    queue,
    (message) => {
      if (message === null || !message.content.includes(id)) return
      const envelope = JSON.parse(message.content.toString()) as { 'oslo.message': string }
      heard.push((JSON.parse(envelope['oslo.message']) as { event_type: string }).event_type)
    },
    { noAck: true },
  )
  return heard
}

describe('the lab', () => {
  let admin: Cinder
  let tenant: Cinder
  let volumeId: string
  const made: (() => Promise<void>)[] = []

  beforeAll(async () => {
    admin = await cinderAs(lab.os)
    tenant = await cinderAs(tenantOs(lab, 'payments'))
    volumeId = (await tenant.createVolume({ name, sizeGib: 1 })).id
    made.push(async () => {
      await tenant.deleteVolume(volumeId)
      await becomes(() => tenant.getVolume(volumeId), 'gone')
    })
    await becomes(() => tenant.getVolume(volumeId), 'available')
  })

  afterAll(async () => {
    for (const undo of made.reverse()) await undo()
  })

  it('backs a tenant volume up by its administrator, tells it on its own broker, and restores the same bytes', async () => {
    const model = await connect(lab.amqpUrl)
    const image = volumeImage(volumeId)
    await writeRbd(lab, image, 0, randomBytes(1 << 20))
    await writeRbd(lab, image, (1 << 30) - 4096, randomBytes(4096))
    const heard = await hear(model, volumeId)
    const imagesBefore = await listImages(lab, 'backup', 'backups')

    const backup = await admin.createBackup({ volumeId, name })
    made.push(async () => {
      await admin.deleteBackup(backup.id)
      await becomes(() => admin.getBackup(backup.id), 'gone')
    })
    await becomes(() => admin.getBackup(backup.id), 'available')
    expect((await listImages(lab, 'backup', 'backups')).length - imagesBefore.length).toBe(
      lab.backupDriver === 'ceph' ? 1 : 0,
    )

    const restored = await admin.createVolume({ name, sizeGib: 1 })
    made.push(async () => {
      await admin.deleteVolume(restored.id)
      await becomes(() => admin.getVolume(restored.id), 'gone')
    })
    await becomes(() => admin.getVolume(restored.id), 'available')
    await admin.restoreBackup(backup.id, restored.id)
    await becomes(() => admin.getBackup(backup.id), 'available')
    await becomes(() => admin.getVolume(restored.id), 'available')
    expect(await sha256OfRbd(lab, 'prod', volumeImage(restored.id))).toBe(await sha256OfRbd(lab, 'prod', image))
    expect(heard).toEqual(expect.arrayContaining(['backup.create.start', 'backup.create.end', 'backup.restore.end']))
    await model.close()
  })

  it('lets the cephx user cinderkeep make and remove RBD snapshots, and not write', async () => {
    const rbd = (...args: string[]) => run('rbd', ['-c', lab.cephConf.prod, '--id', lab.cephUser, ...args])
    const image = volumeImage(volumeId)
    const snapshot = `backup.${randomUUID()}.snap.1`
    await rbd('snap', 'create', '--no-progress', `${image}@${snapshot}`)
    expect(await listRbdSnapshots(lab, 'prod', image)).toContain(snapshot)
    await rbd('snap', 'rm', '--no-progress', `${image}@${snapshot}`)
    expect(await listRbdSnapshots(lab, 'prod', image)).not.toContain(snapshot)
    const before = await sha256OfRbd(lab, 'prod', image)
    // the bench ends with 0 although its only write was refused
    const { stderr } = await rbd('bench', '--io-type', 'write', '--io-size', '4096', '--io-total', '4096', image)
    expect(stderr).toContain('Operation not permitted')
    expect(await sha256OfRbd(lab, 'prod', image)).toBe(before)
  })

  it('goes on after its broker was killed: Cinder reconnects and tells what it does', async () => {
    await labService(lab, 'kill', 'rabbit')
    await expect(connect(lab.amqpUrl)).rejects.toThrow('ECONNREFUSED')
    await labService(lab, 'start', 'rabbit')
    // Cinder declares its exchange, which is not durable, with the first notification after the restart
    await becomes(async () => {
      await tenant.updateVolume(volumeId, { description: randomUUID() })
      const model = await connect(lab.amqpUrl)
      // a channel that is closed by the broker also emits the error that its call rejects with
      const channel = await model.createChannel()
      channel.on('error', () => undefined)
      const there = await channel.checkExchange('openstack').then(
        () => true,
        () => false,
      )
      await model.close()
      return { status: there ? 'told' : 'silent' }
    }, 'told')
    const model = await connect(lab.amqpUrl)
    const heard = await hear(model, volumeId)
    await tenant.updateVolume(volumeId, { description: 'after the restart' })
    await becomes(async () => ({ status: heard.includes('volume.update.end') ? 'told' : 'silent' }), 'told')
    await model.close()
  })
})
