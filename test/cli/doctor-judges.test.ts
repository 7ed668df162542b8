/** What each check of `doctor` makes of what it sees; the looking itself is tested on servers. */
import { describe, expect, it } from 'vitest'
import { judgeAttributes } from '../../cli/doctor/attributes.js'
import { judgeDriver } from '../../cli/doctor/backup-driver.js'
import { judgeCephRights } from '../../cli/doctor/ceph-rights.js'
import type { Finding } from '../../cli/doctor/check.js'
import { boundsOf, judgeClock } from '../../cli/doctor/clocks.js'
import { judgeNode } from '../../cli/doctor/node.js'
import { judgeApplied } from '../../cli/doctor/policies.js'
import { judgeDead, judgeQueue } from '../../cli/doctor/queue.js'
import { judgeQuotas } from '../../cli/doctor/quotas.js'
import { judgeRoles } from '../../cli/doctor/rights.js'
import { judgeSchedules } from '../../cli/doctor/schedules.js'
import { judgeServices } from '../../cli/doctor/services.js'
import { judgeSources } from '../../cli/doctor/sources.js'
import { judgeNamespace } from '../../cli/doctor/temporal.js'
import { judgeTheft } from '../../cli/doctor/theft.js'
import { judgeWorkers } from '../../cli/doctor/workers.js'
import type { Limits, Service } from '../../openstack/cinder.js'
import type { Identity } from '../../openstack/token.js'
import type { ApplyPlan } from '../../worker/schedules.js'

const brief = (findings: Finding[]) => findings.map(({ level, code }) => (code === null ? level : `${level} ${code}`))
const minute = 60_000

describe('the version of Node', () => {
  it('may be 20.19 or later', () => {
    expect(['20.19.0', '22.1.0', '24.0.0'].map((version) => judgeNode(version).level)).toEqual(['ok', 'ok', 'ok'])
    expect(brief(['20.18.3', '18.20.1'].map(judgeNode))).toEqual(['fault CK-NODE-VERSION', 'fault CK-NODE-VERSION'])
  })
})

describe('clocks', () => {
  const now = Date.parse('2026-11-25T12:00:00Z')
  const at = (from: number, to = from) => judgeClock({ whose: 'Cinder', earliest: now + from, latest: now + to }, now)

  it('may be five minutes apart, in both directions', () => {
    expect(brief([at(0), at(5 * minute), at(-5 * minute)])).toEqual(['ok', 'ok', 'ok'])
    expect(brief([at(5 * minute + 1), at(-5 * minute - 1)])).toEqual(['fault CK-CLOCK', 'fault CK-CLOCK'])
    expect(at(10 * minute).what).toContain("our clock is 10m behind Cinder's")
    expect(at(-10 * minute).what).toContain("our clock is 10m ahead of Cinder's")
  })

  it('are taken for right where what is seen does not tell them apart', () => {
    expect(at(-60 * minute, 60 * minute).level).toBe('ok')
  })

  it('of Temporal lie between the last sign of life and the next that is announced', () => {
    expect(boundsOf({ asked: undefined, acted: undefined, next: undefined })).toBeNull()
    expect(boundsOf({ asked: now, acted: undefined, next: undefined })).toEqual({ earliest: now, latest: now + 70_000 })
    expect(boundsOf({ asked: undefined, acted: now - minute, next: now + minute })).toEqual({
      earliest: now - minute,
      latest: now + minute,
    })
    // a worker that asked a moment before the schedule acted
    expect(boundsOf({ asked: now - 2 * minute, acted: now, next: undefined })).toEqual({ earliest: now, latest: now })
  })
})

describe('roles', () => {
  const identity: Identity = {
    ...{ userName: 'keeper', projectId: 'p', projectName: 'backup', roles: ['admin', 'reader'] },
    ...{ unrestrictedCredential: null, issuedAt: null },
  }

  it('that only read make no snapshot', () => {
    expect(brief(judgeRoles(identity))).toEqual([])
    expect(brief(judgeRoles({ ...identity, roles: ['reader'] }))).toEqual(['fault CK-CLOUD-FORBIDDEN'])
    expect(brief(judgeRoles({ ...identity, roles: ['reader', 'archivist'] }))).toEqual([])
  })

  it('are too many in a credential that can make others', () => {
    expect(brief(judgeRoles({ ...identity, unrestrictedCredential: true }))).toEqual(['warning CK-RIGHTS-TOO-MANY'])
    expect(brief(judgeRoles({ ...identity, unrestrictedCredential: false }))).toEqual([])
  })

  it('say what a thief of a mover could destroy', () => {
    const cinder = { kind: 'cinder-backup', chain: 6, restoreRetrySeconds: 600, permits: null } as never
    const [admin] = judgeTheft(identity, { cinder })
    expect(admin).toMatchObject({ level: 'warning', code: 'CK-NO-TARGET-SURVIVES' })
    expect(admin?.what).toMatch(/every volume, snapshot and backup of the cloud, and with them all copies on cinder/)
    const [member] = judgeTheft({ ...identity, roles: ['member'] }, { cinder })
    expect(member?.what).toContain('of project backup, and with them')
  })
})

describe('quotas', () => {
  const limits: Limits = {
    ...{ maxVolumes: 10, usedVolumes: 1, maxSnapshots: 10, usedSnapshots: 0, maxGigabytes: 1000, usedGigabytes: 10 },
    ...{ maxBackups: 10, usedBackups: 0, maxBackupGigabytes: 1000, usedBackupGigabytes: 0 },
  }

  it('are a fault when used up, a warning from nine tenths on, and nothing when unlimited', () => {
    expect(brief(judgeQuotas(limits, 'p'))).toEqual(['ok'])
    expect(brief(judgeQuotas({ ...limits, usedVolumes: 10 }, 'p'))).toEqual(['fault CK-CLOUD-QUOTA'])
    expect(brief(judgeQuotas({ ...limits, maxBackups: 0 }, 'p'))).toEqual(['fault CK-CLOUD-QUOTA'])
    expect(brief(judgeQuotas({ ...limits, usedGigabytes: 900 }, 'p'))).toEqual(['warning CK-CLOUD-QUOTA'])
    expect(brief(judgeQuotas({ ...limits, usedGigabytes: 899 }, 'p'))).toEqual(['ok'])
    expect(brief(judgeQuotas({ ...limits, maxVolumes: -1, usedVolumes: 5000 }, 'p'))).toEqual(['ok'])
    const [full] = judgeQuotas({ ...limits, usedBackupGigabytes: 1000 }, 'p')
    expect(full?.cure).toContain('--backup-gigabytes N p')
  })
})

describe("Cinder's services", () => {
  const service = (binary: string, host: string, state = 'up', status = 'enabled'): Service => ({
    ...{ binary, host, state, status, availabilityZone: null },
  })
  const good = [service('cinder-backup', 'a'), service('cinder-volume', 'a@x'), service('cinder-scheduler', 'a')]

  it('are a fault when none of a kind works, a warning when some do not', () => {
    expect(brief(judgeServices(good, true))).toEqual(['ok', 'ok', 'ok'])
    const down = [service('cinder-backup', 'a', 'down'), ...good.slice(1)]
    expect(brief(judgeServices(down, true))).toEqual(['fault CK-BACKUP-SERVICE-DOWN', 'ok', 'ok'])
    expect(brief(judgeServices(good.slice(1), true))).toContain('fault CK-BACKUP-SERVICE-DOWN')
    const disabled = [...good, service('cinder-volume', 'b@y', 'up', 'disabled')]
    expect(brief(judgeServices(disabled, true))).toEqual(['ok', 'ok', 'warning CK-CINDER-SERVICE-DOWN', 'ok'])
  })

  it('make backups only where a target wants them', () => {
    expect(brief(judgeServices(good.slice(1), false))).toEqual(['ok', 'ok'])
  })
})

describe("Cinder's backup driver", () => {
  it('is a fault where the records of backups show another', () => {
    expect(judgeDriver('cinder', 'chunked', ['ceph'])).toMatchObject({ level: 'fault', code: 'CK-BACKUP-DRIVER' })
    expect(judgeDriver('cinder', 'ceph', ['ceph', 'chunked'])).toMatchObject({ code: 'CK-BACKUP-DRIVER' })
    for (const [written, seen] of [
      ['ceph', ['ceph']],
      ['chunked', []],
      [undefined, ['ceph']],
      [undefined, []],
    ] as const)
      expect(judgeDriver('cinder', written, [...seen]).level).toBe('ok')
  })
})

describe('our queue', () => {
  it('must be there and read once cinderkeep ran; before, that is a warning', () => {
    expect(brief(judgeQueue('q', null, true))).toEqual(['fault CK-RABBIT-QUEUE'])
    expect(brief(judgeQueue('q', null, false))).toEqual(['warning CK-RABBIT-QUEUE'])
    expect(brief(judgeQueue('q', { messageCount: 3, consumerCount: 0 }, true))).toEqual(['fault CK-LISTENER-AWAY'])
    expect(brief(judgeQueue('q', { messageCount: 3, consumerCount: 1 }, true))).toEqual(['ok'])
  })

  it('has dead letters told of', () => {
    expect(brief(judgeDead('q', null))).toEqual(['ok'])
    expect(brief(judgeDead('q', { messageCount: 0, consumerCount: 0 }))).toEqual(['ok'])
    const [dead] = judgeDead('q', { messageCount: 2, consumerCount: 0 })
    expect(dead).toMatchObject({ level: 'warning', code: 'CK-NOTIFICATION-UNREADABLE' })
    expect(dead?.what).toContain('2 dead letters wait in queue "q.dead"')
  })
})

describe('Temporal', () => {
  it('is advised to keep closed archives for 90 days', () => {
    const place = { address: 't:7233', namespace: 'n' }
    expect(brief(judgeNamespace({ ...place, retentionDays: 90 }, '1'))).toEqual(['ok'])
    expect(brief(judgeNamespace({ ...place, retentionDays: null }, '1'))).toEqual(['ok'])
    expect(brief(judgeNamespace({ ...place, retentionDays: 3 }, '1'))).toEqual(['ok', 'warning CK-TEMPORAL-RETENTION'])
  })

  it('must know our search attributes, with their types', () => {
    const all = {
      ...{ name: 2, project: 2, protection: 2, consistency: 2, phase: 2, policy: 2 },
      ...{ target: 7, verified: 6, due: 6, points: 3 },
    }
    expect(brief(judgeAttributes(all, 'n', true))).toEqual(['ok'])
    const lacking = Object.fromEntries(Object.entries(all).filter(([name]) => name !== 'due'))
    expect(brief(judgeAttributes(lacking, 'n', true))).toEqual(['fault CK-TEMPORAL-ATTRIBUTES'])
    const [missing] = judgeAttributes({ ...lacking, other: 1 }, 'n', false)
    expect(missing).toMatchObject({ level: 'warning', code: 'CK-TEMPORAL-ATTRIBUTES' })
    expect(missing?.cure).toContain('--namespace n --name due --type Datetime')
    const [target] = judgeAttributes({ ...all, target: 2 }, 'n', false)
    expect(target).toMatchObject({ level: 'fault', code: 'CK-TEMPORAL-ATTRIBUTES' })
  })

  it('must see workers ask for work', () => {
    const now = 1_000_000_000
    const judge = (asked: number[], started = true) =>
      judgeWorkers('control', asked, { now, start: '--role control', started })
    expect(judge([now - minute]).level).toBe('ok')
    expect(judge([])).toMatchObject({ level: 'fault', code: 'CK-WORKER-AWAY' })
    expect(judge([], false)).toMatchObject({ level: 'warning', code: 'CK-WORKER-AWAY' })
    expect(judge([now - 4 * minute]).what).toContain('the last one asked 4m ago')
    // Temporal remembers for five minutes: this is a clock that is wrong, which the clocks' check tells
    expect(judge([now - 20 * minute]).level).toBe('ok')
  })
})

describe('what is applied', () => {
  const before = { policyHash: 'h', policies: [], appliedAt: '2026-11-25T12:00:00.000Z' }
  const plan: ApplyPlan = { policyHash: 'h', before, policies: [], schedules: [], paused: [], publishes: false }

  it('must be what the file says', () => {
    expect(judgeApplied(plan, 1, true).level).toBe('ok')
    const other: ApplyPlan = {
      ...{ ...plan, publishes: true, policies: [{ policy: 'gold', kind: 'changed', changes: [] }] },
    }
    expect(judgeApplied(other, 1, true)).toMatchObject({ level: 'fault', code: 'CK-POLICY-DIFFERS' })
    expect(judgeApplied(other, 1, true).what).toContain('gold is changed')
    expect(judgeApplied({ ...plan, before: null }, 1, true)).toMatchObject({ code: 'CK-POLICY-NOT-APPLIED' })
    expect(judgeApplied({ ...plan, before: null }, 1, false).level).toBe('warning')
  })

  it('has its schedules, as the file says, and not paused', () => {
    expect(brief(judgeSchedules(plan))).toEqual(['ok'])
    const change = (kind: 'created' | 'changed' | 'deleted') => ({ schedule: 'policy/gold', kind, changes: [] })
    const all = { ...plan, schedules: [change('created'), change('changed'), change('deleted')], paused: ['reconcile'] }
    expect(brief(judgeSchedules(all))).toEqual([
      'fault CK-SCHEDULE-MISSING',
      'warning CK-SCHEDULE-DIFFERS',
      'warning CK-SCHEDULE-DIFFERS',
      'warning CK-SCHEDULE-PAUSED',
    ])
    expect(() => judgeSchedules({ ...plan, before: null })).toThrow('no policies are applied yet')
  })
})

describe('sources', () => {
  it('lead to every pool, and from every entry', () => {
    expect(brief(judgeSources(['*@ceph#*', '*'], ['a@ceph#ceph', 'a@files#files']))).toEqual(['ok'])
    const [without] = judgeSources(['*@ceph#*'], ['a@ceph#ceph', 'a@files#files'])
    expect(without).toMatchObject({ level: 'warning', code: 'CK-SOURCE-NONE' })
    expect(without?.what).toContain('no source leads to a@files#files')
    // the first that fits serves, so the second never does
    expect(brief(judgeSources(['*', '*@ceph#*'], ['a@ceph#ceph']))).toEqual(['warning CK-SOURCE-NONE'])
  })
})

describe('the rights of a Ceph user', () => {
  const source = { user: 'ck', pool: 'volumes', parents: ['images'], conf: '/c' }

  const least = { written: [], names: false, snapshots: true, caps: null }

  it('are too many when it could write data, rename images or read keys; the least that suffices is told', () => {
    expect(brief(judgeCephRights(source, least, true))).toEqual(['ok'])
    expect(brief(judgeCephRights(source, { ...least, snapshots: false }, false))).toEqual(['ok'])
    const [writes] = judgeCephRights(source, { ...least, written: ['volumes'], names: true }, false)
    expect(writes).toMatchObject({ level: 'warning', code: 'CK-RIGHTS-TOO-MANY' })
    expect(writes?.cure).toContain(
      "ceph auth caps client.ck mon 'profile rbd' osd 'allow r class-read pool=volumes, allow r class-read pool=images'",
    )
    expect(brief(judgeCephRights(source, { ...least, names: true }, true))).toEqual(['warning CK-RIGHTS-TOO-MANY'])
    const caps = { mon: 'allow *', osd: 'allow *' }
    const admin = judgeCephRights(source, { ...least, written: ['volumes', 'images'], names: true, caps }, true)
    expect(brief(admin)).toEqual(['warning CK-RIGHTS-TOO-MANY', 'warning CK-RIGHTS-TOO-MANY'])
    expect(admin[1]?.what).toContain("(mon 'allow *')")
  })

  it('are too few when RBD snapshots are needed and it cannot make them', () => {
    const [denied] = judgeCephRights(source, { ...least, snapshots: false }, true)
    expect(denied).toMatchObject({ level: 'fault', code: 'CK-SOURCE-DENIED' })
    expect(denied?.cure).toContain('allow rwx pool=volumes object_prefix rbd_object_map')
  })
})
