/** `doctor` on a sandbox whose settings are broken, one after the other. No broker, no Temporal. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { shared } from '../../cli/doctor/shared.js'
import { CannotLook, type Check } from '../../cli/doctor/check.js'
import type { DoctorBase } from '../../cli/doctor/open-context.js'
import { documentOf, textOf } from '../../cli/doctor/report.js'
import { runChecks } from '../../cli/doctor/run-checks.js'
import { CodedError } from '../../errors/coded-error.js'
import { startSandbox, type Sandbox } from '../../sandbox/sandbox.js'
import { look } from './doctor-bench.js'

let dir: string
let sandbox: Sandbox
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'ck-doctor-cloud-'))
  sandbox = await startSandbox({ dir })
})
afterAll(async () => {
  await sandbox.close()
  await rm(dir, { recursive: true })
})

const ofCloud = ['cloud', 'cinder', 'rights', 'quotas', 'services', 'backup-driver', 'targets']

describe('doctor on a cloud', () => {
  it('finds nothing wrong with one that is well, and changes nothing in it', async () => {
    sandbox.record.clear()
    const found = await look({ env: sandbox.env, checks: ofCloud })
    expect(found.wrong()).toEqual([])
    const changing = sandbox.record.requests.filter(({ method }) => method !== 'GET')
    expect(changing.map(({ method, path }) => `${method} ${path}`)).toEqual(['POST /identity/v3/auth/tokens'])
  })

  it('names a wrong password, shows no part of it, and skips what needs the cloud', async () => {
    const found = await look({ env: { ...sandbox.env, OS_PASSWORD: 'correct-horse-battery' }, checks: ofCloud })
    expect(found.wrong()).toEqual(['cloud fault CK-CLOUD-UNAUTHORIZED'])
    expect(found.of('quotas')).toEqual(['skipped'])
    expect(found.told.find(({ check }) => check === 'services')?.what).toContain('(see cloud)')
    expect(JSON.stringify(found.told)).not.toContain('battery')
  })

  it('names a Keystone that nobody answers at, and an entry of clouds.yaml that does not exist', async () => {
    const nobody = await look({ env: { ...sandbox.env, OS_AUTH_URL: 'http://127.0.0.1:9/v3' }, checks: ['cloud'] })
    expect(nobody.wrong()).toEqual(['cloud fault CK-CLOUD-UNAVAILABLE'])
    const noEntry = await look({ config: { cloud: 'nope' }, env: sandbox.env, checks: ofCloud })
    expect(noEntry.wrong()).toEqual(['cloud fault CK-CLOUD-CONFIG'])
  })

  it('names a Cinder that does not answer once, and skips what needs it', async () => {
    const env = { ...sandbox.env, OS_BLOCK_STORAGE_ENDPOINT_OVERRIDE: 'http://127.0.0.1:9/v3' }
    const found = await look({ env, checks: ofCloud })
    expect(found.wrong()).toEqual(['cinder fault CK-CLOUD-UNAVAILABLE'])
    expect(found.of('rights')).toEqual(['skipped'])
  })

  it('names rights that are too few', async () => {
    const found = await look({ env: sandbox.envOf('payments'), checks: ['rights', 'services', 'sources'] })
    expect(found.of('rights')).toEqual(['fault CK-CLOUD-FORBIDDEN', 'warning CK-CLOUD-FORBIDDEN'])
    expect(found.told[0]?.what).toContain('leaves the volumes of other projects out')
    expect(found.of('services')).toEqual(['skipped'])
  })

  it('names projects that policies cannot know by name', async () => {
    const policies = { gold: { where: { project: ['web'] }, copies: [{ target: 'cinder' }] } }
    const found = await look({ config: { policies }, env: sandbox.envOf('payments'), checks: ['rights'] })
    expect(found.told.map(({ what }) => what)).toContainEqual(expect.stringContaining('may not list projects'))
    expect(found.told.map(({ what }) => what).join()).toContain('gold')
  })

  it('names what one stolen mover could destroy', async () => {
    expect((await look({ env: sandbox.env, checks: ['theft'] })).wrong()).toEqual([
      'theft warning CK-NO-TARGET-SURVIVES',
    ])
  })

  it('names a missing backup service', async () => {
    sandbox.faults.add({ kind: 'no-backup-service' })
    onTestFinished(() => {
      sandbox.faults.clear()
    })
    const found = await look({ env: sandbox.env, checks: ['services'] })
    expect(found.of('services')).toEqual(['fault CK-BACKUP-SERVICE-DOWN', 'ok', 'ok'])
  })

  it('names a quota that is used up', async () => {
    const [projectId = ''] = [...sandbox.state.quotas.keys()]
    const before = sandbox.state.quotas.get(projectId)
    if (before === undefined) throw new Error('unreachable')
    sandbox.state.quotas.set(projectId, { ...before, backups: 0 })
    onTestFinished(() => void sandbox.state.quotas.set(projectId, before))
    expect((await look({ env: sandbox.env, checks: ['quotas'] })).wrong()).toEqual(['quotas fault CK-CLOUD-QUOTA'])
  })

  it('names a clock that is ten minutes off, against Keystone and against Cinder', async () => {
    for (const minutes of [10, -10]) {
      const found = await look({ env: sandbox.env, checks: ['clocks'], now: () => Date.now() + minutes * 60_000 })
      expect(found.of('clocks')).toEqual(['fault CK-CLOCK', 'fault CK-CLOCK', 'skipped'])
    }
    expect((await look({ env: sandbox.env, checks: ['clocks'] })).of('clocks')).toEqual(['ok', 'ok', 'skipped'])
  })

  it('asks Nova where a policy selects by server, and not otherwise', async () => {
    const policies = { gold: { where: { server: ['db-*'] }, copies: [{ target: 'cinder' }] } }
    expect((await look({ env: sandbox.env, checks: ['nova'] })).of('nova')).toEqual(['skipped'])
    expect((await look({ config: { policies }, env: sandbox.env, checks: ['nova'] })).of('nova')).toEqual(['ok'])
    const tenant = await look({ config: { policies }, env: sandbox.envOf('payments'), checks: ['nova'] })
    expect(tenant.of('nova')).toEqual(['fault CK-CLOUD-FORBIDDEN'])
  })

  it('names a directory of volumes that is not there', async () => {
    const sources = [{ match: '*', kind: 'file', dir: join(dir, 'nowhere') }]
    const found = await look({ config: { sources }, env: sandbox.env, checks: ['files'] })
    expect(found.wrong()).toEqual(['files fault CK-SOURCE-FILE'])
  })
})

describe('the checks', () => {
  const base = {} as DoctorBase
  const good: Check = { name: 'good', run: async () => [{ level: 'ok', code: null, what: 'well', cure: null }] }
  const broken: Check = {
    name: 'broken',
    run: async () => Promise.reject(new CodedError('CK-RABBIT-URL', 'at amqp://me:hunter2@mq/', { cure: 'one\ntwo' })),
  }
  const blind: Check = { name: 'blind', run: async () => Promise.reject(new CannotLook('no eyes')) }
  const hanging: Check = { name: 'hanging', run: () => new Promise(() => undefined) }

  it('harm each other in no way: what throws is a fault, what hangs is given up', async () => {
    const told = await runChecks([hanging, broken, blind, good], base, [], 50)
    expect(told.map(({ check, level, code }) => [check, level, code])).toEqual([
      ['hanging', 'fault', 'CK-TIMED-OUT'],
      ['broken', 'fault', 'CK-RABBIT-URL'],
      ['blind', 'skipped', null],
      ['good', 'ok', null],
    ])
  })

  it('that are left out are told as such', async () => {
    const told = await runChecks([good, broken], base, ['broken'])
    expect(told.map(({ check, level }) => [check, level])).toEqual([
      ['good', 'ok'],
      ['broken', 'skipped'],
    ])
  })

  it('are written worst last, with their cures and without passwords', async () => {
    const document = documentOf(await runChecks([broken, blind, good], base), 'c.yaml', 0)
    expect(document.counts).toEqual({ ok: 1, skipped: 1, warning: 0, fault: 1 })
    expect(textOf(document)).toBe(
      [
        'ok       good    well',
        '',
        'skipped  blind: no eyes',
        '',
        'fault    broken  CK-RABBIT-URL  at amqp://me:***@mq/',
        '         one',
        '         two',
        '',
        '1 in order, 1 skipped, 1 fault',
      ].join('\n'),
    )
    expect(JSON.stringify(document)).not.toContain('hunter2')
  })

  it('open what they share once, and only one of them tells why it cannot be opened', async () => {
    let opened = 0
    const thing = shared('no door (see door)', 'CK-CLOUD-UNAVAILABLE', async () => {
      opened += 1
      return Promise.reject(new CodedError('CK-RABBIT-URL', 'closed'))
    })
    await expect(thing.need()).rejects.toThrow('no door (see door)')
    await expect(thing.need()).rejects.toBeInstanceOf(CannotLook)
    await expect(thing.reach()).rejects.toMatchObject({ code: 'CK-RABBIT-URL' })
    expect(opened).toBe(1)
  })
})
