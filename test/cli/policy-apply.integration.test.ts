import { Client, Connection } from '@temporalio/client'
import { randomUUID } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createNamespace, removeNamespace } from '../../setup/temporal-namespace.js'
import { readAppliedPolicies } from '../../worker/applied-policies.js'
import { eventually } from '../helpers/workflow-rig.js'
import { runCli, type CliResult } from './run-cli.js'

const address = process.env['TEMPORAL_ADDRESS'] ?? ''
const namespace = `ck-apply-${randomUUID()}`
let connection: Connection
let client: Client
let cwd: string
beforeAll(async () => {
  cwd = await mkdtemp(join(tmpdir(), 'ck-apply-'))
  connection = await Connection.connect({ address })
  client = new Client({ connection, namespace })
  await createNamespace(address, namespace)
  await eventually('the namespace', async () =>
    readAppliedPolicies(client).then(
      () => true,
      () => false as const,
    ),
  )
})
afterAll(async () => {
  await connection.close()
  await removeNamespace(address, namespace)
  await rm(cwd, { recursive: true })
})

async function apply(every: string | null, ...args: string[]): Promise<CliResult> {
  const gold = `gold: {copies: [{target: cinder}]${every === null ? '' : `, every: "${every}"`}}`
  const file = `installation: ${randomUUID()}\ntargets: {cinder: {kind: cinder-backup}}\npolicies: {${gold}}\n`
  await writeFile(join(cwd, 'cinderkeep.yaml'), file)
  const env = { TEMPORAL_ADDRESS: address, TEMPORAL_NAMESPACE: namespace }
  return await runCli(['policy', 'apply', ...args], { cwd, env })
}

describe('policy apply', () => {
  it('shows the difference and changes nothing where nobody can be asked', async () => {
    const { code, stdout, stderr } = await apply('0 1 * * *')
    expect(code).toBe(2)
    expect(stdout).toBe(
      [
        'policies of cinderkeep.yaml (nothing was ever applied here)',
        '  + policy gold',
        'schedules',
        '  + policy/gold  every "0 1 * * *" UTC',
        '  + reconcile  every 15m',
        '',
      ].join('\n'),
    )
    expect(stderr).toContain('Give --yes')
    expect(await readAppliedPolicies(client)).toBeNull()
  })

  it('does it with --yes, says what it changed, and has nothing to do the second time', async () => {
    const first = await apply('0 1 * * *', '--yes')
    expect(first).toMatchObject({ code: 0, stderr: expect.stringContaining('2 schedules created') as unknown })
    const second = await apply('0 1 * * *')
    expect(second).toMatchObject({ code: 0, stderr: '' })
    expect(second.stdout).toMatch(/^nothing to do: the schedules are as they should be \(1 policy of cinderkeep.yaml/)
  })

  it('tells a change in the words of the file, and as one document for machines', async () => {
    const { stdout } = await apply('0 2 * * *')
    expect(stdout).toContain('  ~ policy gold\n      every: "0 1 * * *" → "0 2 * * *"\n')
    expect(stdout).toContain('  ~ policy/gold\n      every "0 1 * * *" UTC → every "0 2 * * *" UTC\n')
    const rehearsed = await apply('0 2 * * *', '--json')
    expect(rehearsed.code).toBe(2)
    expect(JSON.parse(rehearsed.stdout)).toMatchObject({ applied: false })
    const { code, stdout: document } = await apply(null, '--json', '--yes')
    expect(code).toBe(0)
    expect(JSON.parse(document)).toMatchObject({
      policies: [{ policy: 'gold', kind: 'changed', changes: ['every: "0 1 * * *" → none'] }],
      schedules: [{ schedule: 'policy/gold', kind: 'deleted' }],
      applied: true,
    })
    expect((await readAppliedPolicies(client))?.policies).toMatchObject([{ name: 'gold', every: null }])
  })

  it('says that there is no such namespace', async () => {
    const env = { TEMPORAL_ADDRESS: address, TEMPORAL_NAMESPACE: 'ck-no-such-namespace' }
    const { code, stderr } = await runCli(['policy', 'apply', '--yes'], { cwd, env })
    expect(code).toBe(1)
    expect(stderr).toMatch(/^CK-TEMPORAL-NAMESPACE {2}Temporal has no namespace "ck-no-such-namespace"/)
  })
})
