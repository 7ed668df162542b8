/** `doctor` on a real cloud: it passes on settings that work, and names each thing that is broken. */
import { randomUUID } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { DoctorDocument } from '../../cli/doctor/report.js'
import { createNamespace, removeNamespace } from '../../setup/temporal-namespace.js'
import { look } from '../cli/doctor-bench.js'
import { startCinderkeep, type Cinderkeep } from '../helpers/cinderkeep.js'
import { labEnvironment, labService, tenantOs } from '../helpers/lab.js'
import { waitFor } from '../helpers/lab-cloud.js'

const lab = labEnvironment()
const address = process.env['TEMPORAL_ADDRESS'] ?? ''
const env = { ...lab.os, AMQP_URL: lab.amqpUrl }
const source = { match: '*@ceph#*', kind: 'rbd', conf: lab.cephConf.prod, user: lab.cephUser, pool: 'volumes' }

let dir: string
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'ck-doctor-lab-'))
})
afterAll(() => rm(dir, { recursive: true }))

describe('doctor, while Cinderkeep runs on the lab', () => {
  let cinderkeep: Cinderkeep
  beforeAll(async () => {
    const gold = { where: { metadata: { archive: 'gold' } }, on: ['volume.detach.end'], copies: [{ target: 'cinder' }] }
    cinderkeep = await startCinderkeep(lab, { policies: { gold } })
  })
  afterAll(() => cinderkeep.close())

  it('passes once all processes are there, and says what it looked at', async () => {
    const document = await waitFor('doctor to pass', async () => {
      const { code, stdout } = await cinderkeep.command('doctor', '--json')
      return code === 0 ? (JSON.parse(stdout) as DoctorDocument) : null
    })
    expect(document.counts.fault).toBe(0)
    // a namespace for tests keeps a day; and today's only kind of target lies behind the cloud's own identity
    const warned = document.findings.filter(({ level }) => level === 'warning')
    for (const { code } of warned) expect(['CK-NO-TARGET-SURVIVES', 'CK-TEMPORAL-RETENTION']).toContain(code)
    const well = new Set(document.findings.filter(({ level }) => level === 'ok').map(({ check }) => check))
    for (const check of ['clocks', 'cloud', 'exchanges', 'queue', 'attributes', 'workers', 'policies', 'ceph-rights'])
      expect([...well]).toContain(check)
  })

  it('ends with 1 when a process is missing, and names it', async () => {
    await cinderkeep.roles.kill('listener')
    const { code, stdout } = await waitFor('the broker to notice', async () => {
      const answer = await cinderkeep.command('doctor')
      return answer.code === 0 ? null : answer
    })
    expect(code).toBe(1)
    expect(stdout).toMatch(/\nfault {4}queue +CK-LISTENER-AWAY {2}nobody reads queue /)
    expect(stdout).toMatch(/, 1 fault\n$/)
  })
})

describe('doctor, on broken settings of the lab', () => {
  it('names a wrong password', async () => {
    const broken = { ...env, OS_PASSWORD: 'correct-horse-battery' }
    const found = await look({ env: broken, checks: ['cloud', 'cinder', 'quotas', 'services'] })
    expect(found.wrong()).toEqual(['cloud fault CK-CLOUD-UNAUTHORIZED'])
    expect(JSON.stringify(found.told)).not.toContain('battery')
  })

  it('names rights that are too few', async () => {
    const found = await look({ env: { ...env, ...tenantOs(lab, 'payments') }, checks: ['rights'] })
    expect(found.of('rights')).toContain('fault CK-CLOUD-FORBIDDEN')
  })

  it('names a missing backup service', async () => {
    await labService(lab, 'stop', 'cinder-backup')
    try {
      await waitFor('Cinder to notice', async () => {
        const found = await look({ env, checks: ['services'] })
        return found.wrong().includes('services fault CK-BACKUP-SERVICE-DOWN') ? true : null
      })
    } finally {
      await labService(lab, 'start', 'cinder-backup')
    }
    const found = await look({ env, checks: ['services'] })
    expect(found.wrong()).toEqual([])
  })

  it('names a broker that is away, and an exchange that does not exist', async () => {
    const away = await look({ env: { ...env, AMQP_URL: 'amqp://127.0.0.1:9/' }, checks: ['broker', 'exchanges'] })
    expect(away.wrong()).toEqual(['broker fault CK-RABBIT-UNREACHABLE'])
    const listen = { bind: [{ exchange: 'openstack' }, { exchange: `nova-${randomUUID()}` }] }
    const missing = await look({ config: { listen }, env, checks: ['broker', 'exchanges'] })
    expect(missing.of('exchanges')).toEqual(['ok', 'fault CK-RABBIT-EXCHANGE'])
  })

  it('names a wrong Ceph key, a missing one, and a missing configuration', async () => {
    const keyring = join(dir, 'wrong.keyring')
    await writeFile(keyring, `[client.${lab.cephUser}]\n key = AQDvVCVnAAAAABAAq1d9VY6K0wY1Z2X3W4V5Ug==\n`, {
      mode: 0o600,
    })
    const ask = (broken: Record<string, unknown>) =>
      look({ config: { sources: [{ ...source, ...broken }] }, checks: ['ceph', 'ceph-rights'] })
    expect((await ask({})).wrong()).toEqual([])
    expect((await ask({ keyring })).wrong()).toEqual(['ceph fault CK-SOURCE-KEY'])
    expect((await ask({ keyring: join(dir, 'none') })).wrong()).toEqual(['ceph fault CK-SOURCE-KEY'])
    expect((await ask({ conf: join(dir, 'none.conf') })).wrong()).toEqual(['ceph fault CK-SOURCE-CONF'])
    expect((await ask({ pool: 'nowhere' })).wrong()).toEqual(['ceph fault CK-SOURCE-POOL-MISSING'])
    expect((await ask({ parents: ['vms'] })).wrong()).toEqual(['ceph fault CK-SOURCE-DENIED'])
  })

  it('names a Ceph user with too many rights', async () => {
    const found = await look({ config: { sources: [{ ...source, user: 'admin' }] }, checks: ['ceph', 'ceph-rights'] })
    expect(found.of('ceph-rights')).toEqual(['warning CK-RIGHTS-TOO-MANY', 'warning CK-RIGHTS-TOO-MANY'])
  })

  it('names a Temporal that is away, and attributes that are missing', async () => {
    const away = await look({ env: { ...env, TEMPORAL_ADDRESS: '127.0.0.1:9' }, checks: ['temporal', 'attributes'] })
    expect(away.wrong()).toEqual(['temporal fault CK-TEMPORAL-UNREACHABLE'])
    const namespace = `doctor-${randomUUID()}`
    await createNamespace(address, namespace)
    try {
      const bare = { ...env, TEMPORAL_ADDRESS: address, TEMPORAL_NAMESPACE: namespace }
      // the server hears of a namespace some seconds after it was made
      await waitFor('the attributes to be missed', async () => {
        const found = await look({ env: bare, checks: ['temporal', 'attributes'] })
        return found.wrong().includes('attributes warning CK-TEMPORAL-ATTRIBUTES') ? true : null
      })
    } finally {
      await removeNamespace(address, namespace)
    }
  })

  it('names a clock that is off', async () => {
    const found = await look({ env, checks: ['clocks'], now: () => Date.now() + 600_000 })
    expect(found.of('clocks')).toEqual(['fault CK-CLOCK', 'fault CK-CLOCK', 'skipped'])
  })
})
