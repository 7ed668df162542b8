/** `doctor` on real Ceph clusters: the least rights of docs/ceph.md are enough, and what differs from them is named. */
import { execFile } from 'node:child_process'
import { randomBytes, randomUUID } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { leastOsdCaps } from '../../source/least-caps.js'
import { look } from '../cli/doctor-bench.js'
import { labEnvironment } from '../helpers/lab.js'

const run = promisify(execFile)
const lab = labEnvironment()
const mark = `doctor-${randomUUID().slice(0, 8)}`
const pools = { pool: 'volumes', parents: ['images'] }
const least = leastOsdCaps(pools)
let dir: string
const made: string[] = []

async function user(name: string, osd: string): Promise<Record<string, unknown>> {
  const id = `${mark}-${name}`
  const keyring = join(dir, id)
  const caps = ['mon', 'profile rbd', 'osd', osd]
  made.push(id)
  await run('ceph', ['-c', lab.cephConf.prod, 'auth', 'get-or-create', `client.${id}`, ...caps, '-o', keyring])
  return { match: '*', kind: 'rbd', conf: lab.cephConf.prod, ...pools, user: id, keyring }
}

const target = (change: Record<string, unknown> = {}) => ({
  ...{ kind: 'ceph', conf: lab.cephConf.backup, users: { write: 'ck-write', remove: 'ck-remove' }, pool: 'archives' },
  keyrings: keyringsOf('write', 'remove'),
  macKey: { file: join(dir, 'mac.key') },
  ...change,
})

function keyringsOf(...roles: string[]): Record<string, string> {
  const folder = lab.cephConf.backup.replace(/ceph\.conf$/, '')
  return Object.fromEntries(roles.map((role) => [role, `${folder}ceph.client.ck-${role}.keyring`]))
}

async function ask(source: Record<string, unknown>, second: Record<string, unknown> | null = target()) {
  const targets = { ...(second === null ? { cinder: { kind: 'cinder-backup' } } : { second }) }
  return look({ config: { sources: [source], targets }, checks: ['ceph', 'ceph-rights', 'ceph-targets'] })
}

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'ck-doctor-ceph-lab-'))
  await writeFile(join(dir, 'mac.key'), randomBytes(64), { mode: 0o600 })
})
afterAll(async () => {
  for (const id of made) await run('ceph', ['-c', lab.cephConf.prod, 'auth', 'rm', `client.${id}`])
  await rm(dir, { recursive: true })
})

describe('doctor and Ceph', () => {
  it('finds nothing wrong with the least rights', async () => {
    const found = await ask(await user('least', least))
    expect(found.wrong()).toEqual([])
    expect(found.told.map(({ what }) => what).join('\n')).toContain('it can make RBD snapshots')
  })

  it('names a source where no RBD snapshot can be made, only when one is needed', async () => {
    const reader = await user('reader', leastOsdCaps(pools, false))
    expect((await ask(reader)).wrong()).toEqual(['ceph-rights fault CK-SOURCE-DENIED'])
    expect((await ask(reader, null)).wrong()).toEqual([])
  })

  it('names a source’s user who could rename images, or write their data', async () => {
    const names = await user('names', `${least}, allow rwx pool=volumes object_prefix rbd_id`)
    expect((await ask(names)).wrong()).toEqual(['ceph-rights warning CK-RIGHTS-TOO-MANY'])
    const writer = await user('writer', 'profile rbd pool=volumes, profile rbd pool=images')
    expect((await ask(writer)).wrong()).toEqual(['ceph-rights warning CK-RIGHTS-TOO-MANY'])
  })

  it('names a target without its key, without rights, and in the cluster of the volumes', async () => {
    const source = await user('least', least)
    const without = await ask(source, target({ macKey: { file: join(dir, 'none') } }))
    expect(without.wrong()).toEqual(['ceph-targets fault CK-MAC-KEY'])
    const poor = await ask(
      source,
      target({ users: { write: lab.cephUser, remove: lab.cephUser }, keyrings: {}, pool: 'backups' }),
    )
    expect(poor.wrong()).toEqual(['ceph-targets fault CK-SOURCE-DENIED', 'ceph-targets fault CK-SOURCE-DENIED'])
    const same = { conf: lab.cephConf.prod, users: { write: 'admin', remove: 'admin' }, keyrings: {}, pool: 'vms' }
    expect((await ask(source, target(same))).wrong()).toContain('ceph-targets fault CK-SAME-CLUSTER')
    const trial = await ask(source, target({ ...same, sameCluster: true }))
    expect(trial.wrong()).toContain('ceph-targets warning CK-SAME-CLUSTER')
  })
})
