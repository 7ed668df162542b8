/** What `doctor` tells about freezing, on a sandbox with servers; of Temporal only who asks for work is played. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { asManyAs } from '../../cli/doctor/as-many-as.js'
import { attachedAndFrozen } from '../../cli/doctor/attached-and-frozen.js'
import { judgeFreezing } from '../../cli/doctor/quiesce.js'
import type { Freezing } from '../../cli/freezing.js'
import { silentLog } from '../../log/log.js'
import type { Cinder } from '../../openstack/cinder.js'
import { openCloud, type Cloud } from '../../openstack/open-cloud.js'
import type { Server } from '../../openstack/nova.js'
import { startSandbox, type Sandbox } from '../../sandbox/sandbox.js'
import { policy } from '../policy/volume-facts.js'
import { installation, look } from './doctor-bench.js'

let dir: string
let sandbox: Sandbox
let cloud: Cloud
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'ck-doctor-quiesce-'))
  sandbox = await startSandbox({ dir, bytesPerGib: 2 ** 20 })
  cloud = await openCloud({ env: sandbox.env, cwd: dir, home: dir }, { log: silentLog, installation })
})
afterEach(() => {
  sandbox.state.servers.clear()
  sandbox.state.volumes.clear()
})
afterAll(async () => {
  cloud.close()
  await sandbox.close()
  await rm(dir, { recursive: true })
})

const yes = { hw_qemu_guest_agent: 'yes', os_require_quiesce: 'yes' }

async function newVolume(imageMetadata: Record<string, string> = yes): Promise<string> {
  const { id } = await cloud.cinder.createVolume({ name: 'data', sizeGib: 1 })
  await sandbox.idle()
  const record = sandbox.state.volumes.get(id)
  if (record === undefined) throw new Error('it was just made')
  record.imageMetadata = imageMetadata
  return id
}

async function newServer(name: string, host: string, imageMetadata?: Record<string, string>) {
  const [projectId = ''] = sandbox.state.projects.keys()
  return sandbox.addServer({ name, host, projectId, userId: 'u', volumes: [await newVolume(imageMetadata)] })
}

const falling = { consistency: { prefer: ['detached', 'frozen', 'crash'], require: 'crash' } }
const requiring = { consistency: { prefer: ['detached', 'frozen'], require: 'frozen' } }
const copies = [{ target: 'cinder' }]

function ask(policies: Record<string, unknown>, agents: string[] = [], env = sandbox.env) {
  return look({ config: { policies }, env, agents, checks: ['nova', 'glance', 'quiesce'] })
}
const gold = (how: object = falling) => ({ gold: { copies, ...how } })

describe('doctor about freezing', () => {
  it('looks at nothing where no policy freezes, and cannot where Temporal does not answer', async () => {
    await newServer('db-1', 'compute-1', {})
    const found = await ask({ gold: { copies } })
    expect([found.of('nova'), found.of('glance'), found.of('quiesce')]).toEqual([['skipped'], ['skipped'], ['skipped']])
    const away = await look({ config: { policies: gold() }, env: sandbox.env, checks: ['quiesce'] })
    expect(away.told[0]?.what).toContain('(see temporal)')
  })

  it('finds nothing wrong where an agent serves each hypervisor, or Nova can freeze, and asks for no volume by itself', async () => {
    await newServer('db-1', 'compute-1', {})
    await newServer('db-2', 'compute-1', {})
    await newServer('web-1', 'compute-2')
    sandbox.record.clear()
    const found = await ask(gold(), ['compute-1'])
    expect(found.wrong()).toEqual([])
    expect(found.told.filter(({ check }) => check === 'quiesce').map(({ what }) => what)).toEqual([
      'agents serve compute-1 (2 servers)',
      'no agent serves compute-2 (1 server): Nova freezes there',
    ])
    const asked = sandbox.record.requests.map(({ method, path }) => `${method} ${path.replace(/\/v3\/\w{32}/, '')}`)
    expect(asked.filter((one) => /servers|volumes/.test(one))).toHaveLength(3)
    expect(asked.filter((one) => !one.startsWith('GET '))).toEqual(['POST /identity/v3/auth/tokens'])
  })

  it('warns of a hypervisor on which nobody freezes where policies fall back, and names the cure', async () => {
    await newServer('db-1', 'compute-1', {})
    await newServer('db-2', 'compute-1')
    const found = await ask(gold())
    expect(found.of('quiesce')).toEqual(['warning CK-QUIESCE-AGENT-AWAY'])
    const [{ what, cure } = { what: '', cure: '' }] = found.told.filter(({ check }) => check === 'quiesce')
    expect(what).toMatch(/^no agent serves the queue quiesce@compute-1, and Nova cannot freeze db-1 there either /)
    expect(what).toMatch(/CK-NOVA-QUIESCE-NOT-REQUIRED .*: archives of gold are as after a crash$/)
    expect(cure).toMatch(
      /^Start `cinderkeep run --role quiesce` on compute-1 [\s\S]*\nOr let Nova freeze: Set both properties/,
    )
  })

  it('calls it a fault where a policy would rather archive nothing', async () => {
    await newServer('db-1', 'compute-1', {})
    const refused = 'fault CK-QUIESCE-AGENT-AWAY'
    const found = await ask(gold(requiring))
    expect(found.of('quiesce')).toEqual([refused])
    expect(found.told.at(-1)?.what).toMatch(/: archives of gold are refused$/)
    const never = { consistency: { prefer: ['detached', 'frozen'], require: 'crash' } }
    expect((await ask(gold(never))).of('quiesce')).toEqual([refused])
    expect((await ask(gold(requiring), ['compute-1'])).of('quiesce')).toEqual(['ok'])
  })

  it('looks at volumes that freezing policies protect, and at servers that run', async () => {
    const named = { where: { server: ['db-*'] } }
    await newServer('web-1', 'compute-1', {})
    const off = await newServer('db-1', 'compute-2', {})
    off.status = 'SHUTOFF'
    const found = await ask({ databases: { copies, ...requiring, ...named }, others: { copies } })
    expect(found.of('quiesce')).toEqual(['ok'])
    expect(found.told.at(-1)?.what).toBe('no server that runs has volumes attached that policies freeze')
  })

  it('knows that Nova freezes one server, and that a force backup is never frozen', async () => {
    const [one, two] = [await newServer('db-1', 'compute-1'), await newServer('db-2', 'compute-2')]
    const shared = await newVolume({})
    const record = sandbox.state.volumes.get(shared)
    const [theirs] = sandbox.state.volumes.get(one.rootVolumeId ?? '')?.attachments ?? []
    if (record === undefined || theirs === undefined) throw new Error('there are such')
    record.status = 'in-use'
    record.attachments = [one, two].map(({ id }) => ({
      ...theirs,
      id,
      serverId: id,
      volumeId: shared,
      device: '/dev/vdb',
    }))
    const found = await ask({ group: { protect: 'servers', copies, ...falling } }, ['compute-1'])
    expect(found.of('quiesce')).toEqual(['ok', 'warning CK-QUIESCE-AGENT-AWAY'])
    expect(found.told.at(-1)?.what).toMatch(/quiesce@compute-2.*db-2 there.*CK-NOVA-SEVERAL-SERVERS/)
    const forced = await ask(gold({ ...falling, copies: [{ target: 'cinder', force: { maxSize: '10GiB' } }] }))
    expect(forced.told.at(-1)?.what).toContain('no server that runs')
  })

  it('names a Glance that does not answer, without which Nova freezes nobody', async () => {
    await newServer('db-1', 'compute-1')
    const env = { ...sandbox.env, OS_IMAGE_ENDPOINT_OVERRIDE: 'http://127.0.0.1:9/' }
    const found = await ask(gold(), [], env)
    expect(found.wrong()).toEqual(['glance warning CK-CLOUD-UNAVAILABLE', 'quiesce warning CK-QUIESCE-AGENT-AWAY'])
    expect(found.told.at(-1)?.what).toContain('(Glance cannot be asked (see glance))')
    expect((await ask(gold(), ['compute-1'], env)).wrong()).toEqual(['glance warning CK-CLOUD-UNAVAILABLE'])
  })

  it('leaves it to nova to tell of rights that are too few', async () => {
    const found = await ask(gold(), [], sandbox.envOf('payments'))
    expect([found.of('nova'), found.of('quiesce')]).toEqual([['fault CK-CLOUD-FORBIDDEN'], ['skipped']])
  })

  it('says what it left out where the cloud is larger than its time, and judges no server by half of its volumes', async () => {
    await newServer('db-1', 'compute-1')
    const second = await newServer('db-2', 'compute-1')
    const policies = [policy('gold', { consistency: { prefer: ['frozen', 'crash'], require: 'crash' } })]
    const config = { policies, installation, internalProjectId: null }
    const whole = await attachedAndFrozen(cloud, config, () => false)
    expect([whole.attached.servers.size, whole.wanted.length, whole.leftOut]).toEqual([2, 2, null])
    // of the newest server all volumes come, of the other one none
    let isLate = false
    let tellListed: () => void = () => undefined
    const listed = new Promise<void>((resolve) => {
      tellListed = resolve
    })
    async function* servers() {
      yield* cloud.nova.listServers()
      tellListed()
    }
    async function* volumes(filter: object) {
      for await (const volume of cloud.cinder.listVolumes(filter)) {
        yield volume
        await listed
        isLate = true
      }
    }
    const slow = {
      ...cloud,
      nova: { ...cloud.nova, listServers: servers },
      cinder: { ...cloud.cinder, listVolumes: volumes as Cinder['listVolumes'] },
    }
    const cut = await attachedAndFrozen(slow, config, () => isLate)
    expect([...cut.attached.servers.keys()]).toEqual([second.id])
    expect(cut.leftOut).toBe('only 1 server and 1 attached volume came in time: the others were not looked at')
  })
})

describe('what doctor makes of who can freeze', () => {
  const server = (name: string, hypervisorHost: string | null): Server => ({
    ...{ id: name, name, status: 'ACTIVE', hypervisorHost, volumeIds: ['v'], isVolumeBacked: false, task: null },
  })
  const frozen = { name: 'gold', consistency: policy('gold', requiring as never).consistency }
  const none = (host: string | null, name = 'db'): { policy: typeof frozen; freezing: Freezing } => {
    const obstacle = { code: 'CK-NOVA-NOT-VOLUME-BACKED', reason: 'it boots from an image' } as const
    return { policy: frozen, freezing: { by: 'none', servers: [server(name, host)], obstacle } }
  }

  it('is a fault of Nova’s rights where it does not show hypervisors', () => {
    const [found] = judgeFreezing([none(null)], new Map(), null)
    expect(found).toMatchObject({ level: 'fault', code: 'CK-CLOUD-FORBIDDEN' })
  })

  it('names some hypervisors and servers, and counts the rest', () => {
    const many = Array.from({ length: 25 }, (_, at) => none(`compute-${at}`))
    const found = judgeFreezing(many, new Map(), null)
    expect(found).toHaveLength(21)
    expect(found.at(-1)).toMatchObject({
      level: 'fault',
      what: expect.stringContaining('compute-9 (1 server)') as string,
    })
    const servers = Array.from({ length: 7 }, (_, at) => none('compute-1', `db-${at}`))
    expect(judgeFreezing(servers, new Map(), null)[0]?.what).toContain('db-4 and 2 more servers there')
  })

  it('blames no host for a server that nobody could freeze', () => {
    const paused: Freezing = {
      by: 'none',
      servers: [server('db', 'compute-1')],
      obstacle: { code: 'CK-QUIESCE-NOT-RUNNING', reason: 'server db is PAUSED' },
    }
    expect(judgeFreezing([{ policy: frozen, freezing: paused }], new Map(), null).map(({ level }) => level)).toEqual([
      'ok',
    ])
  })
})

it('a list that is too long is read as far as the time goes', async () => {
  async function* numbers(): AsyncGenerator<number> {
    for (let at = 0; ; at += 1) yield at
  }
  let asked = 0
  expect(await asManyAs(numbers(), () => (asked += 1) > 3)).toEqual({ found: [0, 1, 2], isWhole: false })
})
