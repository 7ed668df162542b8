/** Whoever dies between freeze and thaw, the guest is thawed before its deadline, and the capture is not called frozen. */
import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { freePorts } from '../../setup/ports.js'
import { findTemporalBinary } from '../../setup/temporal-binary.js'
import { servesTemporal } from '../../setup/temporal-server.js'
import { startCinderkeep, type Cinderkeep } from '../helpers/cinderkeep.js'
import { startCinderProxy, type CinderProxy } from '../helpers/cinder-proxy.js'
import { cinderAddress, labCloud, waitFor, type LabCloud } from '../helpers/lab-cloud.js'
import { type Guest, newGuest, removeGuest } from './helpers/guest.js'
import { labWithServers } from './helpers/lab-servers.js'
import { freezeStatus } from './helpers/virsh.js'

const lab = labWithServers()
const name = `chaos-${randomUUID().slice(0, 8)}`
const limitSeconds = 10
let cloud: LabCloud
let guest: Guest
let proxy: CinderProxy
let cinderkeep: Cinderkeep
let temporal: Awaited<ReturnType<typeof ownTemporal>>

/** A server of our own, with its state in a file: it is killed here. */
async function ownTemporal() {
  const binary = await findTemporalBinary()
  if (!('path' in binary)) throw new Error(binary.reasons.join('; '))
  const dir = await mkdtemp(join(tmpdir(), 'ck-temporal-'))
  const [port = 0, metrics = 0] = await freePorts(2)
  const address = `127.0.0.1:${port}`
  const args = ['server', 'start-dev', '--ip', '127.0.0.1', '--port', String(port), '--metrics-port', String(metrics)]
  args.push('--headless', '--log-level', 'error', '--db-filename', join(dir, 'temporal.db'))
  const begin = () => spawn(binary.path, args, { stdio: 'ignore' })
  let child = begin()
  const ready = async () => waitFor('Temporal', async () => ((await servesTemporal(address)) ? true : null))
  await ready()
  return {
    address,
    async kill() {
      child.kill('SIGKILL')
      await once(child, 'exit')
    },
    async start() {
      child = begin()
      await ready()
    },
    async end() {
      child.kill('SIGKILL')
      await once(child, 'exit')
      await rm(dir, { recursive: true })
    },
  }
}

beforeAll(async () => {
  cloud = await labCloud(lab, lab.os)
  temporal = await ownTemporal()
  process.env['TEMPORAL_ADDRESS'] = temporal.address
  proxy = await startCinderProxy(await cinderAddress(lab))
  guest = await newGuest(lab, cloud, { name })
  cinderkeep = await startCinderkeep(lab, {
    cinderUrl: proxy.url,
    quiesce: { uri: lab.servers.libvirtUri, limit: `${limitSeconds}s` },
    policies: {
      servers: {
        protect: 'servers',
        where: { server: [name] },
        consistency: { prefer: ['detached', 'frozen', 'crash'], require: 'crash' },
        copies: [{ target: 'cinder' }],
      },
    },
  })
})
afterAll(async () => {
  await cinderkeep.close()
  await removeGuest(cloud, guest)
  await proxy.close()
  await temporal.end()
  cloud.session.close()
})

/**
 * Asks for an archive, and does something as soon as Cinder has been asked for the snapshot, which lies between freeze and
 * thaw. Its answer is held back until then, and passed on: whether the snapshot succeeded must not be what decides.
 */
async function betweenFreezeAndThaw(act: () => Promise<void>): Promise<number> {
  const told: { at?: number; failed?: Error } = {}
  proxy.onAnswer = async ({ method, path }) => {
    if (method !== 'POST' || !path.endsWith('/snapshots')) return 'pass'
    proxy.onAnswer = async () => Promise.resolve('pass')
    const at = performance.now()
    try {
      expect(await freezeStatus(lab, guest.domain)).toBe('frozen')
      await act()
      told.at = at
    } catch (error) {
      told.failed = error as Error
    }
    return 'pass'
  }
  const { code, stderr } = await cinderkeep.command('archive', guest.volumeIds[0] ?? '')
  expect({ code, stderr }).toMatchObject({ code: 0 })
  return waitFor('the snapshot to be asked for', async () => {
    if (told.failed !== undefined) throw told.failed
    return Promise.resolve(told.at ?? null)
  })
}

/** Asked of the guest itself. The deadline began a little before `since`; what the question takes is not the agent's. */
async function thawedWithin(since: number, seconds = limitSeconds + 5): Promise<void> {
  while ((await freezeStatus(lab, guest.domain)) !== 'thawed') {
    expect((performance.now() - since) / 1000).toBeLessThan(seconds)
    await sleep(200)
  }
}

/** By the watchdog of each of so many freezes, when its time was up, and not by what watches watchdogs, 3 s later. */
async function thawedByWatchdogs(count: number): Promise<void> {
  const said = await waitFor('the agent to tell who thawed', async () => {
    const lines = (await readFile(cinderkeep.logFile, 'utf8')).split('\n')
    const thaws = lines.filter((line) => line.includes('CK-QUIESCE-CUT-SHORT') && line.includes(guest.serverId))
    const ends = thaws.filter((line) => line.includes('the longest allowed'))
    return ends.length >= count ? thaws : null
  })
  expect(said.filter((line) => line.includes('another watchdog'))).toEqual([])
}

async function capturedAs(count: number): Promise<string | undefined> {
  const points = await Promise.all(guest.volumeIds.map((id) => cinderkeep.pointsWith(id, 'verified', count)))
  const all = new Set(points.map(([point]) => point?.consistency))
  expect(all.size).toBe(1)
  return [...all][0]
}

it('thaws when the agent is killed', async () => {
  const since = await betweenFreezeAndThaw(async () => cinderkeep.roles.kill('quiesce'))
  // by its watchdog, which sees it die, and does not wait for the deadline
  await thawedWithin(since, limitSeconds - 2)
  cinderkeep.roles.start('quiesce')
  expect(await capturedAs(1)).toBe('crash')
})

it('thaws when the worker that takes the snapshot is killed', async () => {
  const since = await betweenFreezeAndThaw(async () => cinderkeep.roles.kill('control'))
  await thawedWithin(since)
  await thawedByWatchdogs(1)
  cinderkeep.roles.start('control')
  expect(await capturedAs(2)).toBe('crash')
})

it('thaws when Temporal is killed', async () => {
  const since = await betweenFreezeAndThaw(async () => temporal.kill())
  await thawedWithin(since)
  await thawedByWatchdogs(2)
  await temporal.start()
  expect(await capturedAs(3)).toBe('crash')
})

it('is frozen when nobody dies', async () => {
  await betweenFreezeAndThaw(async () => undefined)
  expect(await capturedAs(4)).toBe('frozen')
})
