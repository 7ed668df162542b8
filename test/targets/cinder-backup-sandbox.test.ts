import { mkdtemp, open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { loadCloud } from '../../openstack/clouds-yaml.js'
import type { Fault } from '../../sandbox/faults.js'
import { startSandbox, type Sandbox } from '../../sandbox/sandbox.js'
import { cloudBench, type CloudBench } from './cloud-bench.js'
import { contextFor, describeTarget } from './contract.js'

type Driver = 'ceph' | 'chunked'

async function sandboxBench(driver: Driver): Promise<CloudBench & { sandbox: Sandbox }> {
  const dir = await mkdtemp(join(tmpdir(), 'ck-targets-'))
  const sandbox = await startSandbox({ dir, driver })
  const bench = cloudBench({
    cloud: await loadCloud({ env: sandbox.env, cwd: dir, home: dir }),
    source: { match: '*', kind: 'file', dir },
    target: { kind: 'cinder-backup', driver },
    write: async (volumeId, offset, bytes) => {
      const file = await open(sandbox.volumePath(volumeId), 'r+')
      try {
        await file.write(bytes, 0, bytes.length, offset)
      } finally {
        await file.close()
      }
    },
    destroy: async ({ ref }) => sandbox.damageBackup(ref['backupId'] ?? '', 'gone'),
    longestWaitMs: 10,
    end: async () => {
      await sandbox.close()
      await rm(dir, { recursive: true, force: true })
    },
  })
  return { ...bench, sandbox }
}

describeTarget("cinder-backup with Ceph's driver, on the sandbox", async () => sandboxBench('ceph'), [2, 6])
describeTarget('cinder-backup with a chunked driver, on the sandbox', async () => sandboxBench('chunked'), [4])

describe("cinder-backup with Ceph's driver, on the sandbox in trouble", () => {
  let bench: CloudBench & { sandbox: Sandbox }
  beforeEach(async () => {
    bench = await sandboxBench('ceph')
  })
  afterEach(async () => {
    bench.sandbox.faults.clear()
    await bench.end()
  })

  const lost: [string, Fault][] = [
    ['the creation of a volume', { kind: 'lost-answer', method: 'POST', path: '/volumes$' }],
    ['the creation of the backup', { kind: 'lost-answer', method: 'POST', path: '/backups$' }],
    ['the restore', { kind: 'lost-answer', method: 'POST', path: '/restore$' }],
    ['a deletion', { kind: 'lost-answer', method: 'DELETE' }],
  ]
  it.each(lost)('makes and proves one copy although the answer to %s is lost', async (_request, fault) => {
    const capture = await bench.capture()
    bench.sandbox.faults.add(fault)
    const copy = await bench.open().writeCopy(capture, null, contextFor().context)
    expect(await bench.open().verifyCopy(copy, capture, contextFor().context)).toMatchObject({ state: 'verified' })
    expect([...bench.sandbox.state.backups.values()].filter(({ status }) => status !== 'deleted')).toHaveLength(1)
    expect(await bench.leftovers(capture)).toEqual([])
  })

  it('finds a flipped bit', async () => {
    const capture = await bench.capture()
    const copy = await bench.open().writeCopy(capture, null, contextFor().context)
    await bench.sandbox.damageBackup(copy.ref['backupId'] ?? '', 'flip')
    expect(await bench.open().verifyCopy(copy, capture, contextFor().context)).toMatchObject({ state: 'damaged' })
  })

  it('fails with the reason that Cinder gives, and succeeds at the next try', async () => {
    const capture = await bench.capture()
    bench.sandbox.faults.add({ kind: 'fail', work: 'backup.create', reason: 'the pool is full' })
    await expect(bench.open().writeCopy(capture, null, contextFor().context)).rejects.toMatchObject({
      code: 'CK-BACKUP-FAILED',
      message: expect.stringContaining('the pool is full') as unknown,
    })
    const copy = await bench.open().writeCopy(capture, null, contextFor().context)
    expect(await bench.open().verifyCopy(copy, capture, contextFor().context)).toMatchObject({ state: 'verified' })
  })

  it("leaves the archived volume's metadata on a restored one, and no mark of ours", async () => {
    const capture = await bench.capture()
    const copy = await bench.open().writeCopy(capture, null, contextFor().context)
    const volumeId = await bench.emptyVolume(capture)
    await bench.open().restoreCopy(copy, { kind: 'volume', volumeId }, contextFor().context)
    expect((await bench.api.getVolume(volumeId)).metadata).toEqual(capture.volume.metadata)
  })
})
