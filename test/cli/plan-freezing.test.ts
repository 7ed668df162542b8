/** What `policy plan` says of freezing: by what it knows, and as the built program on a sandbox with servers. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { AttachedVolume } from '../../activities/nova-way.js'
import { planFreezing } from '../../cli/plan-freezing.js'
import { planText } from '../../cli/policy-plan-text.js'
import { silentLog } from '../../log/log.js'
import type { Server } from '../../openstack/nova.js'
import { openCloud, type Cloud } from '../../openstack/open-cloud.js'
import type { Policy } from '../../policy/policy.js'
import { startSandbox, type Sandbox } from '../../sandbox/sandbox.js'
import { installation, policy, volumeFacts } from '../policy/volume-facts.js'
import { runCli } from './run-cli.js'

const yes = { hw_qemu_guest_agent: 'yes', os_require_quiesce: 'yes' }
const freezing = {
  consistency: { prefer: ['detached', 'frozen', 'crash'], require: 'crash' },
} satisfies Partial<Policy>
const gold = policy('gold', freezing)
const group = policy('group', { ...freezing, protect: 'servers' })

/** Servers with their volumes, the first of which each boots from, as `name@host: volumes`; no host where it is off. */
function cloudOf(layout: Record<string, string[]>, imageMetadata: Record<string, string> = yes) {
  const servers = new Map<string, Server>()
  const volumes = new Map<string, AttachedVolume>()
  for (const [key, volumeIds] of Object.entries(layout)) {
    const [name = '', host] = key.split('@')
    const status = host === undefined ? 'SHUTOFF' : 'ACTIVE'
    const rest = { hypervisorHost: host ?? 'compute-1', isVolumeBacked: true, task: null }
    servers.set(name, { id: name, name, status, volumeIds, ...rest })
    for (const [at, id] of volumeIds.entries()) {
      const device = `/dev/vd${'abc'.charAt(at)}`
      const earlier = volumes.get(id)?.attachments ?? []
      const attachments = [...earlier, { attachmentId: `${name}-${id}`, serverId: name, hostName: null, device }]
      volumes.set(id, { id, attachments, bootable: at === 0, imageMetadata: at === 0 ? imageMetadata : {} })
    }
  }
  return { servers, volumes }
}

function frozen(of: Policy, ids: string[], cloud: ReturnType<typeof cloudOf>, agents: string[] | null) {
  const protects = ids.map((id) => {
    const servers = (cloud.volumes.get(id)?.attachments ?? []).map(({ serverId }) => ({
      id: serverId ?? '',
      name: null,
    }))
    return { volume: volumeFacts({ id, name: id, servers }), because: '', shadows: [] }
  })
  const serving = agents && new Map(agents.map((one) => [one, true]))
  return planFreezing({ policy: of, protects }, cloud, serving)
}

describe('how a volume would be frozen', () => {
  it('is nothing to tell of a policy that freezes nobody', () => {
    expect(frozen(policy('gold'), ['a'], cloudOf({ 'db@compute-1': ['a'] }), []).size).toBe(0)
  })

  it('is by the agent where one serves the hypervisor, else by Nova, else by nobody, and says why', () => {
    const by = (agents: string[], metadata = yes as Record<string, string>) =>
      frozen(gold, ['a'], cloudOf({ 'db@compute-1': ['a'] }, metadata), agents).get('a')
    expect(by(['compute-1'], {})).toMatchObject({ by: 'agent', reason: null, together: [] })
    expect(by(['compute-2'])).toMatchObject({ by: 'nova', reason: null })
    const nobody = by([], {})
    expect(nobody?.by).toBe('none')
    expect(nobody?.reason).toMatch(/^No agent serves compute-1; CK-NOVA-QUIESCE-NOT-REQUIRED {2}server db: .*\.$/)
  })

  it('is not guessed where nobody could be asked for agents', () => {
    const unknown = (metadata: Record<string, string>) =>
      frozen(gold, ['a'], cloudOf({ 'db@compute-1': ['a'] }, metadata), null).get('a')
    expect(unknown(yes)).toMatchObject({
      by: 'unknown',
      reason: 'Whether an agent serves compute-1 is not known; without one Nova would freeze it.',
    })
    expect(unknown({})?.reason).toMatch(/without one it is not frozen: CK-NOVA-QUIESCE-NOT-REQUIRED/)
  })

  it('is no question where nothing writes, or where what has it attached is no server', () => {
    const cloud = cloudOf({ off: ['a'] })
    cloud.volumes.set('b', { ...cloudOf({ 'x@y': ['b'] }).volumes.get('b'), id: 'b' } as AttachedVolume)
    const found = frozen(gold, ['a', 'b', 'c'], cloud, null)
    expect([found.get('a')?.by, found.get('c')?.by]).toEqual(['detached', 'detached'])
    expect(found.get('b')).toMatchObject({
      by: 'none',
      reason: expect.stringMatching(/^CK-QUIESCE-NO-SERVER/) as string,
    })
  })

  it('names what is captured with it, and takes several servers for what Nova cannot do', () => {
    const cloud = cloudOf({ 'db@compute-1': ['a', 'b', 'shared'], 'web@compute-2': ['shared'] })
    const all = ['a', 'b', 'shared', 'lone']
    const found = frozen(group, all, cloud, ['compute-1'])
    expect(found.get('a')?.together).toEqual(['b', 'shared'])
    expect(found.get('a')?.reason).toMatch(/^No agent serves compute-2; CK-NOVA-SEVERAL-SERVERS/)
    expect(found.get('lone')).toMatchObject({ by: 'detached', together: [] })
    expect(frozen(group, all, cloud, ['compute-1', 'compute-2']).get('shared')?.by).toBe('agent')
    expect(frozen(gold, all, cloud, ['compute-1']).get('a')).toMatchObject({ by: 'agent', together: [] })
  })

  it('says of force backups that they are not', () => {
    const forced = { ...gold, copies: [{ target: 'cinder', force: { maxSizeGib: 100, window: null } }] }
    const found = frozen(forced, ['a'], cloudOf({ 'db@compute-1': ['a'] }), ['compute-1']).get('a')
    expect(found).toMatchObject({ by: 'none', reason: expect.stringContaining('force') as string })
  })

  it('is two columns for people, and a line for each that is not', () => {
    const cloud = cloudOf({ 'db@compute-1': ['a', 'b'], 'web@compute-2': ['c'] }, {})
    const found = frozen(group, ['a', 'b', 'c'], cloud, ['compute-1'])
    const protects = ['a', 'b', 'c'].map((id) => ({
      ...{ volume: volumeFacts({ id, name: id }), because: '', shadows: [], verifiedAt: null, due: null },
      freezing: found.get(id) ?? null,
    }))
    const times = { lastAt: null, nextAt: null, opensAt: null, warnings: [] }
    const text = planText([{ policy: group, protects, shadowed: [], warnings: [], times }], null, true, 0)
    expect(text).toMatch(/DUE +SERVER +FROZEN BY +BECAUSE/)
    expect(text).toMatch(/ db \(with 1 more volume\) +agent on compute-1\n/)
    expect(text).toMatch(/ web +nobody\n {2}not frozen: c: No agent serves compute-2; CK-NOVA-QUIESCE-NOT-REQUIRED/)
  })
})

describe('policy plan on a cloud with servers', () => {
  let cwd: string
  let sandbox: Sandbox
  let cloud: Cloud
  beforeAll(async () => {
    cwd = await mkdtemp(join(tmpdir(), 'ck-plan-freezing-'))
    sandbox = await startSandbox({ dir: join(cwd, 'cloud'), bytesPerGib: 2 ** 20 })
    cloud = await openCloud({ env: sandbox.env, cwd, home: cwd }, { log: silentLog, installation })
    const ids: string[] = []
    for (const name of ['boot', 'data']) {
      ids.push((await cloud.cinder.createVolume({ name, sizeGib: 1 })).id)
      await sandbox.idle()
    }
    const boot = sandbox.state.volumes.get(ids[0] ?? '')
    if (boot === undefined) throw new Error('it was just made')
    boot.imageMetadata = yes
    sandbox.addServer({ name: 'db-1', host: 'compute-1', projectId: boot.projectId, userId: 'u', volumes: ids })
    await writeFile(
      join(cwd, 'cinderkeep.yaml'),
      `installation: ${installation}
temporal: {address: "127.0.0.1:9"}
targets: {cinder: {kind: cinder-backup}}
policies:
  db: {protect: servers, where: {server: ["db-*"]}, consistency: {prefer: [detached, frozen, crash]}, copies: [{target: cinder}]}
`,
    )
  })
  afterAll(async () => {
    cloud.close()
    await sandbox.close()
    await rm(cwd, { recursive: true })
  })

  it('tells servers and who is captured together, and that without Temporal no agent was asked', async () => {
    const { code, stdout } = await runCli(['policy', 'plan', '--json'], { cwd, env: sandbox.env })
    expect(code).toBe(0)
    const [db] = (
      JSON.parse(stdout) as { policies: { protects: { volume: string; freezing: unknown }[]; warnings: string[] }[] }
    ).policies
    const [first, second] = db?.protects ?? []
    expect(first?.freezing).toEqual({
      by: 'unknown',
      servers: [{ id: expect.any(String) as string, name: 'db-1', status: 'ACTIVE', hypervisor: 'compute-1' }],
      together: [second?.volume],
      reason: 'Whether an agent serves compute-1 is not known; without one Nova would freeze it.',
    })
    expect(db?.warnings).toContain(
      'Whether agents serve the hypervisors of its servers is not known: Temporal does not answer.',
    )
    const text = await runCli(['policy', 'plan', 'db'], { cwd, env: sandbox.env })
    expect(text.stdout).toMatch(/db-1 \(with 1 more volume\) +\? /)
    expect(text.stdout).toMatch(/perhaps frozen: data: Whether an agent serves compute-1 is not known/)
  })

  it('stands without Nova, and says what it cannot tell', async () => {
    const env = { ...sandbox.env, OS_COMPUTE_ENDPOINT_OVERRIDE: 'http://127.0.0.1:9/' }
    const file = join(cwd, 'plain.yaml')
    await writeFile(
      file,
      `installation: ${installation}
temporal: {address: "127.0.0.1:9"}
targets: {cinder: {kind: cinder-backup}}
policies:
  all: {consistency: {prefer: [frozen, crash]}, copies: [{target: cinder}]}
`,
    )
    const { code, stdout } = await runCli(['policy', 'plan', '--json', '--config', file], { cwd, env })
    expect(code).toBe(0)
    const [all] = (JSON.parse(stdout) as { policies: { protects: { freezing: unknown }[]; warnings: string[] }[] })
      .policies
    expect(all?.protects.map(({ freezing: how }) => how)).toEqual([null, null])
    expect(all?.warnings.join()).toMatch(/Who would freeze its servers cannot be told: CK-CLOUD-UNAVAILABLE/)
  })
})
