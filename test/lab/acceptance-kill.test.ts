/**
 * Workers die by SIGKILL in the midst of an archive. The moments are exact: a proxy between Cinderkeep and Cinder kills
 * when Cinder has done what it was asked and before the answer arrives.
 */
import { randomBytes, randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startCinderProxy, type CinderProxy, type Exchange } from '../helpers/cinder-proxy.js'
import { startCinderkeep, type Cinderkeep } from '../helpers/cinderkeep.js'
import { labEnvironment, sha256OfRbd, tenantOs, volumeImage, writeRbd } from '../helpers/lab.js'
import {
  attachWhile,
  cinderAddress,
  labCloud,
  listOf,
  newVolume,
  removeVolumes,
  restoreByHand,
  type LabCloud,
} from '../helpers/lab-cloud.js'
import { expectNothingLeft, temporaryThings } from '../helpers/left-behind.js'

const lab = labEnvironment()
const mib = 2 ** 20
const tag = `acceptance-${randomUUID().slice(0, 8)}`

interface Moment {
  when: string
  dies: 'control' | 'mover'
  is: (exchange: Exchange) => boolean
}

const asked = (method: string, path: RegExp, status = 202) => {
  return (exchange: Exchange): boolean =>
    exchange.method === method && path.test(exchange.path.split('?')[0] ?? '') && exchange.status === status
}

const moments: Moment[] = [
  { when: 'when Cinder has accepted the snapshot', dies: 'control', is: asked('POST', /\/snapshots$/) },
  lab.backupDriver === 'ceph'
    ? {
        when: 'while the temporary volume is being made',
        dies: 'control',
        is: (one) => asked('POST', /\/volumes$/)(one) && one.requestBody.includes('-temp"'),
      }
    : {
        when: 'while Cinder writes the backup',
        dies: 'control',
        is: (one) => asked('GET', /\/backups\/[0-9a-f-]{36}$/, 200)(one) && one.responseBody.includes('"creating"'),
      },
  { when: 'right after Cinder has accepted the backup', dies: 'control', is: asked('POST', /\/backups$/) },
  { when: 'while the scratch volume is restored into', dies: 'mover', is: asked('POST', /\/restore$/) },
  { when: 'while the snapshot is being removed', dies: 'control', is: asked('DELETE', /\/snapshots\/[0-9a-f-]{36}$/) },
]

let proxy: CinderProxy
let cinderkeep: Cinderkeep
let admin: LabCloud
let tenant: LabCloud
let before: string[]
const mine = { admin: [] as string[], tenant: [] as string[] }

beforeAll(async () => {
  admin = await labCloud(lab, lab.os)
  tenant = await labCloud(lab, tenantOs(lab, 'payments'))
  proxy = await startCinderProxy(await cinderAddress(lab))
  cinderkeep = await startCinderkeep(lab, {
    cinderUrl: proxy.url,
    policies: {
      payments: {
        where: { project: ['payments'], name: [`${tag}-*`] },
        on: ['volume.detach.end'],
        settle: '1s',
        copies: [{ target: 'cinder' }],
      },
    },
  })
  before = await temporaryThings(lab, admin, cinderkeep.installation)
})

afterAll(async () => {
  await cinderkeep.close()
  await proxy.close()
  await removeVolumes(admin, mine.admin)
  await removeVolumes(tenant, mine.tenant)
  admin.session.close()
  tenant.session.close()
})

/** Kills once, at that moment, and starts another; the answer is never seen by anybody. */
function killAt({ dies, is }: Moment): { killed: () => boolean } {
  let killed = false
  proxy.onAnswer = async (exchange) => {
    if (killed || !is(exchange)) return 'pass'
    killed = true
    await cinderkeep.roles.kill(dies)
    cinderkeep.roles.start(dies)
    return 'drop'
  }
  return { killed: () => killed }
}

describe('an archive makes one proven backup and leaves nothing', () => {
  it.each(moments.map((one) => [`though the ${one.dies} worker is killed ${one.when}`, one] as const))(
    '%s',
    async (_, moment) => {
      const volume = await newVolume(tenant, `${tag}-${String(mine.tenant.length)}`)
      mine.tenant.push(volume.id)
      const kill = killAt(moment)
      await attachWhile(tenant, volume.id, async () => {
        await writeRbd(lab, volumeImage(volume.id), 13 * mib, randomBytes(mib))
        await writeRbd(lab, volumeImage(volume.id), 1023 * mib, randomBytes(mib))
      })
      const [point] = await cinderkeep.pointsWith(volume.id, 'verified', 1)
      await cinderkeep.archivesEnded(volume.id)
      expect(kill.killed()).toBe(true)

      const backups = (await listOf(admin.listBackups({ allProjects: true }))).filter(
        ({ metadata }) => metadata['ck:volume'] === volume.id,
      )
      expect(backups.map(({ id, status }) => [id, status])).toEqual([[point?.copies[0]?.ref['backupId'], 'available']])
      expect(await cinderkeep.archives(volume.id)).toHaveLength(1)
      expect(await cinderkeep.points(volume.id)).toHaveLength(1)
      await expectNothingLeft(lab, admin, volume.id, before, cinderkeep.installation)
    },
  )

  it('whose content is that of the volume, whoever was killed', async () => {
    const one = async (id: string): Promise<[string, string]> => {
      const [point] = await cinderkeep.points(id)
      const restored = await restoreByHand(admin, point?.copies[0]?.ref['backupId'] ?? '', 'restored-by-hand')
      mine.admin.push(restored)
      return [await sha256OfRbd(lab, 'prod', volumeImage(restored)), await sha256OfRbd(lab, 'prod', volumeImage(id))]
    }
    const contents = await Promise.all(mine.tenant.map(one))
    expect(contents).toHaveLength(moments.length)
    for (const [restored, source] of contents) expect(restored).toBe(source)
  })
})
