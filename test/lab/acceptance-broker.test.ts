/** The cloud's broker restarts while Cinderkeep listens. */
import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { projectRoot } from '../../setup/project.js'
import { startCinderkeep, type Cinderkeep } from '../helpers/cinderkeep.js'
import { labEnvironment, labService, tenantOs } from '../helpers/lab.js'
import { labCloud, newVolume, removeVolumes, waitFor, type LabCloud } from '../helpers/lab-cloud.js'

const run = promisify(execFile)
const lab = labEnvironment()
const tag = `acceptance-${randomUUID().slice(0, 8)}`
let cinderkeep: Cinderkeep
let tenant: LabCloud
const mine: string[] = []

beforeAll(async () => {
  tenant = await labCloud(lab, tenantOs(lab, 'payments'))
  cinderkeep = await startCinderkeep(lab, {
    policies: {
      payments: {
        where: { project: ['payments'], name: [`${tag}-*`] },
        on: ['volume.create.end'],
        settle: '1s',
        copies: [{ target: 'cinder' }],
      },
    },
  })
})

afterAll(async () => {
  await cinderkeep.close()
  await removeVolumes(tenant, mine)
  tenant.session.close()
})

/** What Cinder tells from now on reaches the listener: its broker says so. */
async function isBound(): Promise<true | null> {
  const args = ['rabbitmqctl', '--quiet', '--no-table-headers', 'list_bindings', 'source_name', 'destination_name']
  const { stdout } = await run(join(projectRoot, 'lab', 'lab'), args, { env: { ...process.env, LAB: lab.dir } })
  return stdout.split('\n').includes(`openstack\t${cinderkeep.queue}`) ? true : null
}

it('archives a volume that is created after the broker was restarted', async () => {
  await labService(lab, 'restart', 'rabbit')
  await waitFor('the listener to bind its queue again', isBound)
  const volume = await newVolume(tenant, `${tag}-later`)
  mine.push(volume.id)
  const [point] = await cinderkeep.pointsWith(volume.id, 'verified', 1)
  expect(point?.slot).toMatch(/^event:volume\.create\.end:/)
  await cinderkeep.archivesEnded(volume.id)
})
