/** What virsh really says of freezes that do not work: whoever reads its words relies on these. */
import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { labCloud, type LabCloud } from '../helpers/lab-cloud.js'
import { labService } from '../helpers/lab.js'
import { agentAnswers, newGuest, removeGuest, shutOff, type Guest, type GuestOptions } from './helpers/guest.js'
import { labWithServers } from './helpers/lab-servers.js'
import { freezeStatus, virsh, virshDoes, type Said } from './helpers/virsh.js'

const lab = labWithServers()
const name = `words-${randomUUID()}`
let cloud: LabCloud
let withAgent: Guest
let withoutAgent: Guest
let withoutChannel: Guest

beforeAll(async () => {
  cloud = await labCloud(lab, lab.os)
  const make = async (options: Omit<GuestOptions, 'name'>) => newGuest(lab, cloud, { name, volumes: 1, ...options })
  ;[withAgent, withoutAgent, withoutChannel] = await Promise.all([
    make({}),
    make({ agent: false }),
    make({ agent: false, properties: {} }),
  ])
})
afterAll(async () => {
  await Promise.all([withAgent, withoutAgent, withoutChannel].map(async (guest) => removeGuest(cloud, guest)))
  cloud.session.close()
})

const said = (line: string): Said => ({ code: 0, stdout: line === '' ? '' : `${line}\n\n`, stderr: '' })
/** An empty line comes before what went wrong, but not when virsh is to be quiet or reached nobody. */
const refused = (...lines: string[]): Said => ({ code: 1, stdout: '\n', stderr: lines.map(toError).join('') })
const quietly = (refusal: Said): Said => ({ ...refusal, stdout: '' })
const toError = (line: string): string => `error: ${line}\n`
const noFreeze = 'Unable to freeze filesystems'
const noThaw = 'Unable to thaw filesystems'

const freeze = async ({ domain }: Guest) => virsh(lab, 'domfsfreeze', domain)
const thaw = async ({ domain }: Guest) => virsh(lab, 'domfsthaw', domain)

describe('virsh', () => {
  it('tells how many filesystems it froze and thawed, and none is no failure', async () => {
    expect(await freeze(withAgent)).toEqual(said('Froze 1 filesystem(s)'))
    expect(await thaw(withAgent)).toEqual(said('Thawed 1 filesystem(s)'))
    expect(await thaw(withAgent)).toEqual(said('Thawed 0 filesystem(s)'))
  })

  it('says nothing of it when it is to be quiet, and knows a guest by its server id', async () => {
    expect(await virsh(lab, '--quiet', 'domfsfreeze', withAgent.serverId)).toEqual(said(''))
    expect(await freezeStatus(lab, withAgent.domain)).toBe('frozen')
    expect(await virsh(lab, '--quiet', 'domfsthaw', withAgent.serverId)).toEqual(said(''))
    expect(await freezeStatus(lab, withAgent.domain)).toBe('thawed')
  })

  it('refuses to freeze what is frozen', async () => {
    const why = `internal error: unable to execute QEMU agent command 'guest-fsfreeze-freeze': Command guest-fsfreeze-freeze has been disabled: the agent is in frozen state`
    const { domain } = withAgent
    await virshDoes(lab, 'domfsfreeze', domain)
    const [again, quiet] = [await freeze(withAgent), await virsh(lab, '--quiet', 'domfsfreeze', domain)]
    await virshDoes(lab, 'domfsthaw', domain)
    expect(again).toEqual(refused(noFreeze, why))
    expect(quiet).toEqual(quietly(refused(noFreeze, why)))
  })

  it('tells an agent that does not run from one that the guest has no channel for', async () => {
    const away = 'Guest agent is not responding: QEMU guest agent is not connected'
    expect(await freeze(withoutAgent)).toEqual(refused(noFreeze, away))
    expect(await thaw(withoutAgent)).toEqual(refused(noThaw, away))
    const none = 'argument unsupported: QEMU guest agent is not configured'
    expect(await freeze(withoutChannel)).toEqual(refused(noFreeze, none))
    expect(await thaw(withoutChannel)).toEqual(refused(noThaw, none))
  })

  it('knows no domain of another name', async () => {
    const id = randomUUID()
    expect(await virsh(lab, 'domfsfreeze', 'nobody')).toEqual(refused("failed to get domain 'nobody'"))
    expect(await virsh(lab, 'domfsthaw', id)).toEqual(refused(`failed to get domain '${id}'`))
  })

  it('says of a suspended guest what it says of one that does not run: its state tells them apart', async () => {
    const why = 'Requested operation is not valid: domain is not running'
    await virshDoes(lab, 'suspend', withAgent.domain)
    const suspended = [await freeze(withAgent), await virsh(lab, 'domstate', withAgent.domain)]
    await virshDoes(lab, 'resume', withAgent.domain)
    expect(suspended).toEqual([refused(noFreeze, why), said('paused')])
    expect(await virsh(lab, 'domstate', withAgent.domain)).toEqual(said('running'))
    await shutOff(cloud, withoutAgent)
    expect(await freeze(withoutAgent)).toEqual(refused(noFreeze, why))
    expect(await thaw(withoutAgent)).toEqual(refused(noThaw, why))
    expect(await virsh(lab, 'domstate', withoutAgent.domain)).toEqual(said('shut off'))
  })

  it('finds no hypervisor where libvirtd is away; what was frozen stays frozen until it is back', async () => {
    const socket = lab.servers.libvirtUri.replace(/^.*socket=/, '')
    const away = (why: string) =>
      quietly(refused('failed to connect to the hypervisor', `Failed to connect socket to '${socket}': ${why}`))
    await virshDoes(lab, 'domfsfreeze', withAgent.domain)
    await labService(lab, 'stop', 'libvirtd')
    const stopped = await thaw(withAgent)
    await labService(lab, 'start', 'libvirtd')
    await agentAnswers(lab, withAgent)
    const between = await freezeStatus(lab, withAgent.domain)
    await labService(lab, 'kill', 'libvirtd')
    const killed = await thaw(withAgent)
    await labService(lab, 'start', 'libvirtd')
    await agentAnswers(lab, withAgent)
    expect([stopped, between, killed]).toEqual([
      away('No such file or directory'),
      'frozen',
      away('Connection refused'),
    ])
    expect(await thaw(withAgent)).toEqual(said('Thawed 1 filesystem(s)'))
  })
})
