import { randomUUID } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { allThawed, createBench, freezeOf, patience } from './bench.js'

describe('an agent', () => {
  it('freezes a guest, thaws it, and says that it was kept; asked again it says the same', async () => {
    const bench = await createBench()
    const [guest, agent] = [await bench.guest(3), await bench.agent()]
    const { request, thaw } = freezeOf(guest)
    expect(await agent.freezeServer(request)).toEqual({ filesystems: 3 })
    expect(guest.frozen()).toBe(true)
    expect(await bench.entries()).toEqual([`${guest.id}.${request.token}.frozen`])
    expect(await bench.watchdogs()).toHaveLength(1)
    const thawed = await agent.thawServer(thaw)
    expect(thawed).toEqual({ kept: true, reason: null, heldMs: expect.any(Number) as number })
    await allThawed(bench, guest)
    expect(await agent.thawServer(thaw)).toEqual(thawed)
    expect((await bench.calls()).filter((call) => call.startsWith('domfsthaw'))).toHaveLength(1)
  })

  it('freezes several guests at once', async () => {
    const bench = await createBench()
    const agent = await bench.agent()
    const guests = await Promise.all([1, 2, 3, 4].map((filesystems) => bench.guest(filesystems)))
    const freezes = guests.map((guest) => freezeOf(guest))
    const frozen = await Promise.all(freezes.map(({ request }) => agent.freezeServer(request)))
    expect(frozen.map(({ filesystems }) => filesystems)).toEqual([1, 2, 3, 4])
    const thawed = await Promise.all(freezes.map(({ thaw }) => agent.thawServer(thaw)))
    expect(thawed.map(({ kept }) => kept)).toEqual([true, true, true, true])
  })

  it('has a guest thawed at its limit, and says so', async () => {
    const bench = await createBench()
    const [guest, agent] = [await bench.guest(), await bench.agent()]
    const { request, thaw } = freezeOf(guest, 3)
    await agent.freezeServer(request)
    await allThawed(bench, guest)
    expect(await agent.thawServer(thaw)).toMatchObject({ kept: false, reason: { code: 'CK-QUIESCE-CUT-SHORT' } })
    // and the server can be frozen anew
    const again = freezeOf(guest)
    await agent.freezeServer(again.request)
    expect(await agent.thawServer(again.thaw)).toMatchObject({ kept: true })
  })

  it('allows no longer freeze than its own file', async () => {
    const bench = await createBench()
    const [guest, agent] = [await bench.guest(), await bench.agent(3)]
    await agent.freezeServer(freezeOf(guest, 100_000).request)
    await allThawed(bench, guest)
  })

  it('says when the guest thawed by itself, as Windows does', async () => {
    const bench = await createBench()
    const [guest, agent] = [await bench.guest(), await bench.agent()]
    for (const still of [null, '1']) {
      const { request, thaw } = freezeOf(guest)
      await agent.freezeServer(request)
      await (still === null ? guest.unset('frozen') : guest.set('frozen', still))
      expect(await agent.thawServer(thaw)).toMatchObject({ kept: false, reason: { code: 'CK-QUIESCE-THAWED-EARLY' } })
    }
    await allThawed(bench, guest)
  })

  it('says when the server left the host, or was stopped, while it was frozen', async () => {
    const bench = await createBench()
    const [leaving, stopping, agent] = [await bench.guest(), await bench.guest(), await bench.agent()]
    const [left, stopped] = [freezeOf(leaving), freezeOf(stopping)]
    await agent.freezeServer(left.request)
    await agent.freezeServer(stopped.request)
    await leaving.leave()
    await stopping.set('state', 'shut off')
    expect(await agent.thawServer(left.thaw)).toMatchObject({ kept: false, reason: { code: 'CK-QUIESCE-NO-DOMAIN' } })
    expect(await agent.thawServer(stopped.thaw)).toMatchObject({
      kept: false,
      reason: { code: 'CK-QUIESCE-NOT-RUNNING' },
    })
    await expect.poll(() => bench.entries(), patience).toEqual([])
  })

  it('is not content with a paused guest: it goes on frozen', async () => {
    const bench = await createBench()
    const [guest, agent] = [await bench.guest(), await bench.agent()]
    const { request, thaw } = freezeOf(guest)
    await agent.freezeServer(request)
    await guest.set('state', 'paused')
    await expect(agent.thawServer(thaw)).rejects.toMatchObject({ code: 'CK-QUIESCE-NOT-THAWED' })
    await guest.set('state', 'running')
    expect(await agent.thawServer(thaw)).toMatchObject({ kept: true })
    await allThawed(bench, guest)
  })

  it('throws while the guest cannot be told to be thawed, and its watchdog goes on', async () => {
    const bench = await createBench()
    const [guest, agent] = [await bench.guest(), await bench.agent()]
    const { request, thaw } = freezeOf(guest, 5)
    await agent.freezeServer(request)
    await guest.set('agent', 'Guest agent is not responding: Guest agent not available for now')
    await expect(agent.thawServer(thaw)).rejects.toMatchObject({ code: 'CK-QUIESCE-NOT-THAWED' })
    expect(await bench.watchdogs()).not.toEqual([])
    await guest.set('agent', 'ok')
    await allThawed(bench, guest)
    expect(await agent.thawServer(thaw)).toMatchObject({ kept: false, reason: { code: 'CK-QUIESCE-CUT-SHORT' } })
  })

  it('refuses what would be no name of a file', async () => {
    const bench = await createBench()
    const agent = await bench.agent()
    const thaw = { serverId: '../../etc', token: randomUUID(), run: 'r' }
    await expect(agent.thawServer(thaw)).rejects.toMatchObject({ code: 'CK-QUIESCE-REQUEST' })
    const freeze = { serverId: randomUUID(), token: '--help', run: 'r', limitSeconds: 5 }
    await expect(agent.freezeServer(freeze)).rejects.toMatchObject({ code: 'CK-QUIESCE-REQUEST' })
    expect(await bench.calls()).toEqual([])
  })
})
