/** A pool for copies that nobody else uses, with users that have no more rights than docs/ceph.md gives them. */
import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Cluster, Lab } from './lab.js'

const run = promisify(execFile)

export interface CopiesPool {
  name: string
  /** Where a target of kind `ceph` differs from one on the lab's own pool. */
  options: { conf: string; pool: string; users: { write: string; remove: string }; keyrings: Record<string, string> }
  /** `ceph` as the administrator. */
  ceph(...args: string[]): Promise<string>
  end(): Promise<void>
}

export async function copiesPool(lab: Lab, cluster: Cluster): Promise<CopiesPool> {
  const conf = lab.cephConf[cluster]
  const name = `ck-${randomUUID().slice(0, 8)}`
  const dir = await mkdtemp(join(tmpdir(), 'ck-pool-'))
  const keyring = join(dir, 'keyring')
  const ceph = async (...args: string[]): Promise<string> => (await run('ceph', ['--conf', conf, ...args])).stdout
  const rights = ['', ' object_prefix rbd_', ' object_prefix ck-tree.'].map(
    (which) => `allow ${which === '' ? 'r' : 'rwx'} pool=${name}${which}`,
  )

  await ceph('osd', 'pool', 'create', name, '1', '1', '--autoscale-mode=off')
  await ceph('osd', 'pool', 'application', 'enable', name, 'rbd')
  await ceph('auth', 'get-or-create', `client.${name}`, 'mon', 'profile rbd', 'osd', rights.join(', '), '-o', keyring)

  return {
    name,
    options: { conf, pool: name, users: { write: name, remove: name }, keyrings: { write: keyring, remove: keyring } },
    ceph,
    end: async () => {
      await ceph('auth', 'rm', `client.${name}`)
      await ceph('config', 'set', 'mon', 'mon_allow_pool_delete', 'true')
      try {
        await ceph('osd', 'pool', 'rm', name, name, '--yes-i-really-really-mean-it')
      } finally {
        await ceph('config', 'rm', 'mon', 'mon_allow_pool_delete')
        await rm(dir, { recursive: true })
      }
    },
  }
}
