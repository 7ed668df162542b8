import { afterAll, beforeAll, expect, it } from 'vitest'
import type { Tenant } from '../../demo/tenant.js'
import { openStage, points, statusOf, until, type Stage } from './stage.js'

let stage: Stage
let tenant: Tenant
beforeAll(async () => {
  stage = await openStage({ timeoutSeconds: 5 })
  tenant = await stage.tenant('payments')
})
afterAll(async () => {
  await stage.close()
})

const cli = async (...args: string[]) => stage.command(...args)
interface Row {
  name: string
  state: string
  policy: string
  verifiedAt: string | null
}
const row = async (name: string): Promise<Row | undefined> => {
  const { stdout } = await cli('volumes', '--json')
  return (JSON.parse(stdout) as Row[]).find((one) => one.name === name)
}

it('reads a copy back on demand, finds the one that was damaged since, and the volume says so', async () => {
  const volume = await tenant.createVolume('ledger', { metadata: { archive: 'gold' } })
  await tenant.use(volume)
  const [point] = await points(stage, volume)
  if (point === undefined) throw new Error('there is a point')
  await until('its archive’s end', async () => (await statusOf(stage, volume))?.archives.length === 0)
  expect(await row('ledger')).toMatchObject({ policy: 'gold', state: 'protected', verifiedAt: point.capturedAt })

  const good = await cli('verify', 'ledger@latest', '--json')
  expect(good.code).toBe(0)
  const verified = JSON.parse(good.stdout) as { point: string; verification: string; copies: unknown[] }
  expect(verified).toMatchObject({ point: point.point, copies: [{ target: 'cinder', found: 'verified' }] })
  expect(verified.copies).toMatchObject([{ state: 'verified', rootHash: point.rootHash, failure: null }])

  const backup = point.copies[0]?.ref['backupId'] ?? ''
  await stage.sandbox.damageBackup(backup, 'flip')
  const bad = await cli('verify', `${volume.id}@${point.point}`, '--target', 'cinder')
  expect(bad.code).toBe(1)
  expect(bad.stdout).toMatch(/cinder {3}damaged.* CK-COPY-DAMAGED {2}the copy on cinder did not read back/)
  await until('it is failing', async () => (await row('ledger'))?.state === 'failing')
  // the mark lies on the copy itself, which is kept
  expect(stage.sandbox.state.backups.get(backup)?.metadata['ck:state']).toContain('damaged')
  const scratch = [...stage.sandbox.state.volumes.values()].filter(({ name }) => name?.startsWith('ck-'))
  expect(scratch).toEqual([])
})

it('ends with 4 for a point or a copy that is not there', async () => {
  for (const args of [
    ['ledger@2020-01-01T00:00:00Z-00000000'],
    ['ledger@latest', '--target', 'vault'],
    ['none@latest'],
  ]) {
    expect([args, (await cli('verify', ...args)).code]).toEqual([args, 4])
  }
})

it('shows a protected volume that nobody told us of, and what to do', async () => {
  await stage.roles.kill('listener')
  await tenant.createVolume('quiet')
  expect(await row('quiet')).toMatchObject({ policy: 'rest', state: 'unknown', verifiedAt: null })
  const { stdout, stderr } = await cli('volumes', '--policy', 'rest')
  expect(stdout).toMatch(/quiet .* never .* unknown .*cinderkeep reconcile/)
  expect(stderr).toContain('1 volume of the policy rest: 1 unknown')
})
