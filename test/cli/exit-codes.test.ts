import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { exitCodeOfAll } from '../../cli/archive.js'
import type { Followed } from '../../cli/follow-archives.js'
import { cinder } from '../../openstack/cinder.js'
import { loadCloud } from '../../openstack/clouds-yaml.js'
import { connectCloud } from '../../openstack/session.js'
import { silentLog } from '../../log/log.js'
import { startSandbox, type Sandbox } from '../../sandbox/sandbox.js'
import { runCli, startCli } from './run-cli.js'

const id = '3f0c8a52-6a0e-4b6a-9a51-2f3f6f1f0f01'
const good = `installation: ${id}
temporal: {address: "127.0.0.1:9"}
listen: {url: "amqp://127.0.0.1:9"}
targets: {cinder: {kind: cinder-backup}}
policies:
  gold: {where: {metadata: {archive: gold}}, on: [volume.detach.end], copies: [{target: cinder}]}
  all: {where: {name: "*db*"}, copies: [{target: cinder}]}
`

let cwd: string
let sandbox: Sandbox
let session: ReturnType<typeof connectCloud>
beforeAll(async () => {
  cwd = await mkdtemp(join(tmpdir(), 'ck-cli-'))
  await writeFile(join(cwd, 'cinderkeep.yaml'), good)
  sandbox = await startSandbox({ dir: join(cwd, 'cloud') })
  const options = await loadCloud({ env: sandbox.env, cwd, home: cwd })
  session = connectCloud(options, { log: silentLog })
  const volumes = cinder(session)
  await volumes.createVolume({ name: 'db', sizeGib: 1, metadata: { archive: 'gold' } })
  await volumes.createVolume({ name: 'twin', sizeGib: 1 })
  await volumes.createVolume({ name: 'twin', sizeGib: 1 })
  await volumes.createVolume({ name: 'other-db', sizeGib: 2 })
  await volumes.createVolume({ name: `ck-${id}-verify`, sizeGib: 1, metadata: { 'ck:installation': id } })
  await sandbox.idle()
})
afterAll(async () => {
  session.close()
  await sandbox.close()
  await rm(cwd, { recursive: true })
})

describe('the command line', () => {
  it('ends with 0 after --help of every command, which shows an example on stdout', async () => {
    const commands = [
      '',
      'run',
      'config check',
      'config schema',
      'config init',
      'doctor',
      'policy plan',
      'policy apply',
      'archive',
      'pause',
      'resume',
      'cancel',
      'volumes',
      'points',
      'show',
      'verify',
    ]
    for (const command of commands) {
      const { code, stdout, stderr } = await runCli([...command.split(' ').filter(Boolean), '--help'], { cwd })
      expect([command, code, stderr]).toEqual([command, 0, ''])
      expect(stdout).toMatch(/Example:\n {2}cinderkeep /)
    }
  })

  it('ends with 2 after a slip, with the code and nothing on stdout', async () => {
    for (const args of [
      ['polcy'],
      ['archive'],
      ['show', 'db'],
      ['verify', 'db'],
      ['volumes', '--policy', 'glod'],
      ['run', '--role', 'listner'],
      ['policy', 'plan', 'glod'],
      ['doctor', '--skip', 'cloudd'],
    ]) {
      const { code, stdout, stderr } = await runCli(args, { cwd, env: sandbox.env })
      expect([code, stdout]).toEqual([2, ''])
      expect(stderr).toMatch(/^CK-USAGE {2}/)
    }
  })

  it('ends with 2 after a fault in the file: its line, and nothing was started', async () => {
    await writeFile(join(cwd, 'bad.yaml'), good.replace('target: cinder}]}\n  all', 'target: cindr}]}\n  all'))
    const line =
      'bad.yaml:6  policies.gold.copies[0].target: "cindr" is no target; targets are cinder; did you mean "cinder"?'
    expect(await runCli(['--config', 'bad.yaml', 'config', 'check'], { cwd })).toEqual({
      code: 2,
      stdout: `${line}\n`,
      stderr: '',
    })
    for (const args of [['policy', 'plan'], ['run'], ['archive', 'db'], ['points', 'db'], ['doctor']]) {
      const { code, stdout, stderr } = await runCli([...args, '--config', 'bad.yaml'], { cwd })
      expect([code, stdout]).toEqual([2, ''])
      expect(stderr).toContain(`CK-CONFIG  1 fault in bad.yaml, nothing was started\n${line}\n`)
    }
  })

  it('ends with 0 after config check of a good file, and with one document for --json', async () => {
    expect(await runCli(['config', 'check'], { cwd })).toMatchObject({ code: 0, stdout: '' })
    const { stdout } = await runCli(['config', 'check', '--json'], { cwd })
    expect(JSON.parse(stdout)).toEqual({ file: 'cinderkeep.yaml', faults: [] })
  })

  it('ends with 5 rather than writing over a file', async () => {
    const init = ['--config', 'new.yaml', 'config', 'init']
    expect(await runCli(init, { cwd })).toMatchObject({ code: 0 })
    const written = await readFile(join(cwd, 'new.yaml'), 'utf8')
    const again = await runCli(init, { cwd })
    expect(again).toMatchObject({ code: 5, stdout: '' })
    expect(again.stderr).toMatch(/^CK-CONFIG-EXISTS {2}new.yaml exists .*\n {2}\S/)
    expect(await readFile(join(cwd, 'new.yaml'), 'utf8')).toBe(written)
    expect(await runCli(['--config', 'new.yaml', 'config', 'check'], { cwd })).toMatchObject({ code: 0 })
  })

  it('ends with 4 when there is no such volume or target', async () => {
    const noVolume = await runCli(['archive', 'db', 'dbb'], { cwd, env: sandbox.env })
    expect([noVolume.code, noVolume.stderr]).toEqual([
      4,
      expect.stringMatching(/^CK-VOLUME-UNKNOWN {2}there is no volume "dbb"/),
    ])
    const noTarget = await runCli(['archive', 'db', '--target', 'cindr'], { cwd, env: sandbox.env })
    expect([noTarget.code, noTarget.stderr]).toEqual([
      4,
      expect.stringMatching(/^CK-TARGET-UNKNOWN.*did you mean "cinder"/),
    ])
  })

  it('ends with 2 for a name that two volumes have, and tells their ids', async () => {
    const { code, stderr } = await runCli(['archive', 'twin'], { cwd, env: sandbox.env })
    const ids = [...sandbox.state.volumes.values()].filter(({ name }) => name === 'twin').map(({ id }) => id)
    expect(code).toBe(2)
    for (const one of ids) expect(stderr).toContain(one)
  })

  it('ends with 1 when a server does not answer', async () => {
    const { code, stderr } = await runCli(['archive', 'db'], { cwd, env: sandbox.env })
    expect([code, stderr]).toEqual([1, expect.stringMatching(/^CK-TEMPORAL-UNREACHABLE {2}Temporal at 127.0.0.1:9 /)])
  })

  it('ends with 130 soon after SIGINT though the cloud does not answer', async () => {
    sandbox.faults.add({ kind: 'hang', method: 'GET', path: '/volumes/', count: 9 })
    const plan = startCli(['policy', 'plan'], { cwd, env: sandbox.env })
    await vi.waitUntil(() => sandbox.faults.list()[0]?.hits === 1, { timeout: 20_000 })
    plan.kill('SIGINT')
    const { code, stdout, stderr } = await plan.ended
    sandbox.faults.clear()
    // on a slow machine Temporal, which is away, was given up before
    const interrupted = expect.stringMatching(/^CK-INTERRUPTED {2}interrupted by SIGINT/m) as string
    expect([code, stdout, stderr]).toEqual([130, '', interrupted])
  })

  it('ends with 2 for an empty name, though a volume has none', async () => {
    const unnamed = await cinder(session).createVolume({ name: '', sizeGib: 1 })
    const { code, stderr } = await runCli(['archive', ''], { cwd, env: sandbox.env })
    await sandbox.idle()
    await cinder(session).deleteVolume(unnamed.id)
    await sandbox.idle()
    expect([code, stderr]).toEqual([2, expect.stringMatching(/^CK-USAGE/)])
  })

  it('writes the first file where CINDERKEEP_CONFIG says', async () => {
    const env = { CINDERKEEP_CONFIG: join(cwd, 'named.yaml') }
    expect(await runCli(['config', 'init'], { cwd, env })).toMatchObject({ code: 0 })
    expect(await runCli(['config', 'check'], { cwd, env })).toMatchObject({ code: 0 })
  })

  it('run ends with 130 after SIGINT, and with it all its children', async () => {
    const run = startCli(['run', '--role', 'control,mover'], { cwd, env: sandbox.env })
    await run.said('control ended and is started again')
    run.kill('SIGINT')
    expect((await run.ended).code).toBe(130)
  })
})

describe('doctor', () => {
  it('ends with 1 when there is a fault, with 0 when only what is left out is broken, each with one document', async () => {
    const ask = async (...skip: string[]) => {
      const options = skip.flatMap((check) => ['--skip', check])
      const { code, stdout } = await runCli(['doctor', '--json', ...options], { cwd, env: sandbox.env })
      const { counts, findings } = JSON.parse(stdout) as { counts: { fault: number }; findings: { code: string }[] }
      return { code, faults: counts.fault, codes: findings.map((one) => one.code) }
    }
    const broken = await ask()
    expect([broken.code, broken.faults]).toEqual([1, 2])
    expect(broken.codes).toEqual(expect.arrayContaining(['CK-TEMPORAL-UNREACHABLE', 'CK-RABBIT-UNREACHABLE']))
    expect(await ask('broker', 'temporal')).toMatchObject({ code: 0, faults: 0 })
  })
})

describe('policy plan', () => {
  it('tells who is protected by what and why, who is shadowed, and who never is', async () => {
    const { code, stdout } = await runCli(['policy', 'plan', '--json'], { cwd, env: sandbox.env })
    expect(code).toBe(0)
    const plan = JSON.parse(stdout) as {
      policies: {
        policy: string
        protects: { name: string; because: string; shadows: string[] }[]
        shadowed: { name: string; by: string }[]
        warnings: string[]
      }[]
      unprotected: { name: string }[]
      neverSelected: { name: string; because: string }[]
    }
    expect(plan.policies.map(({ policy, protects }) => [policy, protects.map(({ name }) => name)])).toEqual([
      ['gold', ['db']],
      ['all', ['other-db']],
    ])
    expect(plan.policies[0]?.protects[0]).toMatchObject({
      because: 'Policy gold protects it: its metadata archive is "gold".',
      shadows: ['all'],
    })
    expect(plan.policies[1]?.shadowed).toMatchObject([{ name: 'db', by: 'gold' }])
    expect(plan.policies[1]?.warnings.join(' ')).toMatch(/`on` no event.*reads the whole volume/)
    expect(plan.unprotected.map(({ name }) => name)).toEqual(['twin', 'twin'])
    expect(plan.neverSelected).toMatchObject([
      { name: `ck-${id}-verify`, because: 'It is a temporary volume of this installation.' },
    ])
  })

  it('is a table for people, of one policy when it is named', async () => {
    const all = await runCli(['policy', 'plan'], { cwd, env: sandbox.env })
    expect(all.stdout).toMatch(/^gold: protects 1 volume → cinder\n/)
    expect(all.stdout).toMatch(/2 volumes are protected by no policy\n[\s\S]*1 volume is never selected\n/)
    const one = await runCli(['policy', 'plan', 'all'], { cwd, env: sandbox.env })
    expect(one.stdout).toMatch(/^all: protects 1 volume/)
    expect(one.stdout).not.toMatch(/gold: protects|never selected/)
    expect(sandbox.state.volumes.size).toBe(5)
  })
})

describe('archive', () => {
  const followed = (state: Followed['state']): Followed => ({
    asked: { volumeId: 'v', name: '', requestId: 'r', slot: 's', archive: 'a', targets: null },
    state,
    reasons: [],
    outcome: null,
  })
  const code = (states: Followed['state'][], waited: boolean) => exitCodeOfAll(states.map(followed), waited)

  it('with --wait ends with 0 only when every copy is verified, with 3 when only some are, with 1 when none is', () => {
    expect(code(['verified', 'verified'], true)).toBe(0)
    expect(code(['verified', 'failed'], true)).toBe(3)
    expect(code(['verified', 'refused'], true)).toBe(3)
    expect(code(['failed', 'refused'], true)).toBe(1)
    expect(code(['deferred'], true)).toBe(3)
    expect(code(['deferred', 'failed'], true)).toBe(3)
  })

  it('without --wait ends with 0 unless the volume was refused', () => {
    expect(code(['running', 'waiting'], false)).toBe(0)
    expect(code(['running', 'refused'], false)).toBe(3)
    expect(code(['refused'], false)).toBe(1)
  })
})
