import { randomUUID } from 'node:crypto'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { allThawed, createBench, freezeOf, patience, type Bench, type Guest } from './bench.js'

const begun = async (bench: Bench) => {
  await expect.poll(async () => (await bench.entries()).length, patience).toBe(1)
}
const asked = async (bench: Bench, what: string) => {
  await expect.poll(async () => (await bench.calls()).some((call) => call.startsWith(what)), patience).toBe(true)
}
const frozen = async (guest: Guest) => {
  await expect.poll(() => guest.frozen(), patience).toBe(true)
}
const killWatchdogs = async (bench: Bench) => {
  for (const pid of await bench.watchdogs()) process.kill(pid, 'SIGKILL')
}

describe('a guest is thawed, long before its limit, when the agent is killed', () => {
  it('before it is in the ledger', async () => {
    const bench = await createBench()
    const [guest, agent] = [await bench.guest(), await bench.agent()]
    await guest.set('hang-domstate')
    void agent.freezeServer(freezeOf(guest).request).catch(() => undefined)
    await asked(bench, 'domstate')
    await agent.kill('SIGKILL')
    await guest.unset('hang-domstate')
    await allThawed(bench, guest)
    expect(await guest.freezes()).toBe(0)
  })

  it('as soon as it is in the ledger', async () => {
    const bench = await createBench()
    const [guest, agent] = [await bench.guest(), await bench.agent()]
    void agent.freezeServer(freezeOf(guest).request).catch(() => undefined)
    await begun(bench)
    await agent.kill('SIGKILL')
    // the watchdog may not have been started: then the next agent thaws
    await bench.agent()
    await allThawed(bench, guest)
  })

  it('while virsh has not yet asked libvirt: it freezes much later, and nobody is left but the watchdog', async () => {
    const bench = await createBench()
    const [guest, agent] = [await bench.guest(), await bench.agent()]
    await guest.set('slow-virsh')
    void agent.freezeServer(freezeOf(guest).request).catch(() => undefined)
    await asked(bench, 'domfsfreeze')
    await agent.kill('SIGKILL')
    const thaws = async () => (await bench.calls()).filter((call) => call.startsWith('domfsthaw')).length
    await expect.poll(thaws, patience).toBeGreaterThan(4)
    await guest.unset('slow-virsh')
    await expect.poll(() => guest.freezes(), patience).toBe(1)
    await allThawed(bench, guest)
  })

  it('while libvirt freezes, which goes on', async () => {
    const bench = await createBench()
    const [guest, agent] = [await bench.guest(), await bench.agent()]
    await guest.set('slow-guest')
    void agent.freezeServer(freezeOf(guest).request).catch(() => undefined)
    await expect.poll(() => guest.has('locked'), patience).toBe(true)
    await agent.kill('SIGKILL')
    await asked(bench, 'domfsthaw')
    await guest.unset('slow-guest')
    await expect.poll(() => guest.freezes(), patience).toBe(1)
    await allThawed(bench, guest)
  })

  it('while the guest is frozen and virsh has not answered', async () => {
    const bench = await createBench()
    const [guest, agent] = [await bench.guest(), await bench.agent()]
    await guest.set('slow-answer')
    void agent.freezeServer(freezeOf(guest).request).catch(() => undefined)
    await frozen(guest)
    await agent.kill('SIGKILL')
    await expect.poll(() => guest.frozen(), patience).toBe(false)
    await guest.unset('slow-answer')
    await allThawed(bench, guest)
  })

  it('after it has frozen; the next agent does not call that kept', async () => {
    const bench = await createBench()
    const [guest, agent] = [await bench.guest(), await bench.agent()]
    const { request, thaw } = freezeOf(guest)
    await agent.freezeServer(request)
    await agent.kill('SIGKILL')
    await allThawed(bench, guest)
    const next = await bench.agent()
    expect(await next.thawServer(thaw)).toMatchObject({ kept: false, reason: { code: 'CK-QUIESCE-NOT-FROZEN' } })
  })

  it('while it thaws', async () => {
    const bench = await createBench()
    const [guest, agent] = [await bench.guest(), await bench.agent()]
    const { request, thaw } = freezeOf(guest)
    await agent.freezeServer(request)
    await guest.set('slow-thaw')
    void agent.thawServer(thaw).catch(() => undefined)
    await asked(bench, 'domfsthaw')
    await agent.kill('SIGKILL')
    await guest.unset('slow-thaw')
    await allThawed(bench, guest)
    const next = await bench.agent()
    expect(await next.thawServer(thaw)).toMatchObject({ kept: false, reason: { code: 'CK-QUIESCE-NOT-FROZEN' } })
  })
})

describe('a guest is thawed', () => {
  it('at its limit when the agent is stopped: its event loop stands still, its pipes are open', async () => {
    const bench = await createBench()
    const [guest, agent] = [await bench.guest(), await bench.agent()]
    const { request, thaw } = freezeOf(guest, 5)
    await agent.freezeServer(request)
    agent.process.kill('SIGSTOP')
    await allThawed(bench, guest)
    agent.process.kill('SIGCONT')
    expect(await agent.thawServer(thaw)).toMatchObject({ kept: false, reason: { code: 'CK-QUIESCE-CUT-SHORT' } })
  })

  it('when the agent is stopped while virsh freezes, and is not told to be frozen afterwards', async () => {
    const bench = await createBench()
    const [guest, agent] = [await bench.guest(), await bench.agent()]
    await guest.set('slow-answer')
    const { request, thaw } = freezeOf(guest, 6)
    const freeze = agent.freezeServer(request)
    await frozen(guest)
    agent.process.kill('SIGSTOP')
    await guest.unset('slow-answer')
    await allThawed(bench, guest)
    agent.process.kill('SIGCONT')
    await expect(freeze).rejects.toMatchObject({ code: 'CK-QUIESCE-TOO-LATE' })
    expect(await agent.thawServer(thaw)).toMatchObject({ kept: false })
  })

  it('at once when its watchdog is killed: no freeze goes on unguarded', async () => {
    const bench = await createBench()
    const [guest, agent] = [await bench.guest(), await bench.agent()]
    const { request, thaw } = freezeOf(guest)
    await agent.freezeServer(request)
    await killWatchdogs(bench)
    await allThawed(bench, guest)
    expect(await agent.thawServer(thaw)).toMatchObject({ kept: false, reason: { code: 'CK-QUIESCE-CUT-SHORT' } })
  })

  it('soon after its limit when its watchdog is stopped', async () => {
    const bench = await createBench()
    const [guest, agent] = [await bench.guest(), await bench.agent()]
    await agent.freezeServer(freezeOf(guest, 4).request)
    const [watchdog = 0] = await bench.watchdogs()
    process.kill(watchdog, 'SIGSTOP')
    await expect.poll(() => guest.frozen(), patience).toBe(false)
    process.kill(watchdog, 'SIGCONT')
    await allThawed(bench, guest)
  })

  it('by the next agent when agent and watchdog are killed, whatever boot that was', async () => {
    const bench = await createBench()
    const [guest, agent] = [await bench.guest(), await bench.agent()]
    const { request, thaw } = freezeOf(guest)
    await agent.freezeServer(request)
    agent.process.kill('SIGSTOP') // it would start another watchdog
    await killWatchdogs(bench)
    await agent.kill('SIGKILL')
    expect(guest.frozen()).toBe(true)
    const path = join(bench.dir, `${guest.id}.${request.token}.frozen`)
    const entry = JSON.parse(await readFile(path, 'utf8')) as object
    await writeFile(path, JSON.stringify({ ...entry, boot: randomUUID() }))
    const next = await bench.agent()
    await allThawed(bench, guest)
    expect(await next.thawServer(thaw)).toMatchObject({ kept: false, reason: { code: 'CK-QUIESCE-NOT-FROZEN' } })
  })

  it('by the next agent although what is in the ledger cannot be read', async () => {
    const bench = await createBench()
    const guest = await bench.guest()
    await guest.set('frozen', '2')
    await mkdir(bench.dir)
    await writeFile(join(bench.dir, `${guest.id}.${randomUUID()}.frozen`), '')
    await bench.agent()
    await allThawed(bench, guest)
  })

  it('when the agent is told to end, before it has ended', async () => {
    const bench = await createBench()
    const [guest, agent] = [await bench.guest(), await bench.agent()]
    const { request, thaw } = freezeOf(guest)
    await agent.freezeServer(request)
    await agent.kill('SIGTERM')
    expect(agent.process.exitCode).toBe(0)
    expect(guest.frozen()).toBe(false)
    await allThawed(bench, guest)
    const next = await bench.agent()
    expect(await next.thawServer(thaw)).toMatchObject({ kept: false, reason: { code: 'CK-QUIESCE-NOT-FROZEN' } })
  })

  it('when the whole service is told to end, its watchdogs too', async () => {
    const bench = await createBench()
    const [guest, agent] = [await bench.guest(), await bench.agent()]
    await agent.freezeServer(freezeOf(guest).request)
    agent.process.kill('SIGSTOP')
    for (const pid of await bench.watchdogs()) process.kill(pid, 'SIGTERM')
    await agent.kill('SIGKILL')
    await allThawed(bench, guest)
  })
})
