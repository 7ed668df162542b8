import { mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { claimEnd, pruneLedger, readEnd, type End } from '../../quiesce/ledger.js'
import { allThawed, createBench, freezeOf, patience } from './bench.js'

describe('a thaw leaves a tombstone', () => {
  it('a freeze that comes after it is refused, by the next agent too', async () => {
    const bench = await createBench()
    const [guest, agent] = [await bench.guest(), await bench.agent()]
    const { request, thaw } = freezeOf(guest)
    expect(await agent.thawServer(thaw)).toMatchObject({ kept: false, reason: { code: 'CK-QUIESCE-NOT-FROZEN' } })
    await expect(agent.freezeServer(request)).rejects.toMatchObject({ code: 'CK-QUIESCE-TOO-LATE' })
    await agent.kill('SIGKILL')
    const next = await bench.agent()
    await expect(next.freezeServer(request)).rejects.toMatchObject({ code: 'CK-QUIESCE-TOO-LATE' })
    expect(await guest.freezes()).toBe(0)
    expect(await next.thawServer(thaw)).toMatchObject({ kept: false })
  })

  it('a freeze that is still being prepared is refused', async () => {
    const bench = await createBench()
    const [guest, agent] = [await bench.guest(), await bench.agent()]
    await guest.set('hang-domstate')
    const { request, thaw } = freezeOf(guest)
    const freeze = agent.freezeServer(request)
    await expect.poll(async () => (await bench.calls()).length, patience).toBe(1)
    expect(await agent.thawServer(thaw)).toMatchObject({ kept: false, reason: { code: 'CK-QUIESCE-NOT-FROZEN' } })
    await expect(freeze).rejects.toMatchObject({ code: 'CK-QUIESCE-TOO-LATE' })
    await guest.unset('hang-domstate')
    await allThawed(bench, guest)
    expect(await guest.freezes()).toBe(0)
  })

  it('a freeze that completes after it is thawed at once', async () => {
    const bench = await createBench()
    const [guest, agent] = [await bench.guest(), await bench.agent()]
    await guest.set('slow-guest')
    const { request, thaw } = freezeOf(guest)
    const freeze = agent.freezeServer(request)
    await expect.poll(() => guest.has('locked'), patience).toBe(true)
    const thawed = agent.thawServer(thaw)
    await expect(freeze).rejects.toMatchObject({ code: 'CK-QUIESCE-TOO-LATE' })
    await guest.unset('slow-guest')
    await expect.poll(() => guest.freezes(), patience).toBe(1)
    await allThawed(bench, guest)
    expect(await thawed.catch(() => agent.thawServer(thaw))).toMatchObject({
      kept: false,
      reason: { code: 'CK-QUIESCE-NOT-FROZEN' },
    })
  })
})

describe('a token', () => {
  it('is told `kept` by the run alone that froze, also when its answer was lost, and by none that was reset', async () => {
    const bench = await createBench()
    const [guest, agent] = [await bench.guest(), await bench.agent()]
    const { request, thaw } = freezeOf(guest)
    await agent.freezeServer(request)
    expect(await agent.thawServer(thaw)).toMatchObject({ kept: true })
    const next = { ...thaw, run: 'another' }
    const reset = { kept: false, reason: { code: 'CK-QUIESCE-NOT-FROZEN' } }
    expect(await agent.thawServer(next)).toMatchObject(reset)
    await agent.kill('SIGKILL')
    const later = await bench.agent()
    expect(await later.thawServer(next)).toMatchObject(reset)
    expect(await later.thawServer(thaw)).toMatchObject({ kept: true, reason: null })
    await allThawed(bench, guest)
  })

  it('is thawed by another run while it is frozen, and that one is not told that it was kept', async () => {
    const bench = await createBench()
    const [guest, agent] = [await bench.guest(), await bench.agent()]
    const { request, thaw } = freezeOf(guest)
    await agent.freezeServer(request)
    expect(await agent.thawServer({ ...thaw, run: 'another' })).toMatchObject({ kept: false })
    await allThawed(bench, guest)
  })

  it('does not freeze what another one has frozen, nor thaw it', async () => {
    const bench = await createBench()
    const [guest, agent] = [await bench.guest(), await bench.agent()]
    const [ours, theirs] = [freezeOf(guest), freezeOf(guest)]
    await agent.freezeServer(ours.request)
    await expect(agent.freezeServer(theirs.request)).rejects.toMatchObject({ code: 'CK-QUIESCE-ALREADY-FROZEN' })
    await expect(agent.freezeServer(ours.request)).rejects.toMatchObject({ code: 'CK-QUIESCE-ALREADY-FROZEN' })
    expect(await agent.thawServer(theirs.thaw)).toMatchObject({ kept: false })
    expect(guest.frozen()).toBe(true)
    expect(await agent.thawServer(ours.thaw)).toMatchObject({ kept: true })
    await allThawed(bench, guest)
  })

  it('of many that ask at once: one freezes', async () => {
    const bench = await createBench()
    const [guest, agent] = [await bench.guest(), await bench.agent()]
    const all = [1, 2, 3, 4, 5].map(() => freezeOf(guest))
    const outcomes = await Promise.allSettled(all.map(({ request }) => agent.freezeServer(request)))
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    const thawed = await Promise.all(all.map(({ thaw }) => agent.thawServer(thaw)))
    expect(thawed.filter(({ kept }) => kept)).toHaveLength(1)
    expect(await guest.freezes()).toBe(1)
    await allThawed(bench, guest)
  })

  it('is thawed once by two thaws at once, with one answer', async () => {
    const bench = await createBench()
    const [guest, agent] = [await bench.guest(), await bench.agent()]
    const { request, thaw } = freezeOf(guest)
    await agent.freezeServer(request)
    const [one, other] = await Promise.all([agent.thawServer(thaw), agent.thawServer(thaw)])
    expect(one).toMatchObject({ kept: true })
    expect(other).toEqual(one)
  })

  it('is thawed at its deadline by agent and watchdog at once: kept only if the thaw came first', async () => {
    const bench = await createBench()
    const [guest, agent] = [await bench.guest(), await bench.agent()]
    for (const beforeMs of [0, 60, 120, 200, 400]) {
      const { request, thaw } = freezeOf(guest, 5)
      const frozenAt = performance.now()
      await agent.freezeServer(request)
      await new Promise((resolve) => setTimeout(resolve, frozenAt + 5000 - beforeMs - performance.now()))
      const thawed = await agent.thawServer(thaw)
      const end = await readEnd(bench.dir, request.token)
      expect(end).toMatchObject(thawed)
      if (thawed.kept) expect(thawed.heldMs).toBeLessThan(5000)
      else expect(thawed.reason?.code).toBe('CK-QUIESCE-CUT-SHORT')
      await allThawed(bench, guest)
    }
  })
})

describe('the end of a freeze', () => {
  const end: End = { server: 's', token: 't', kept: true, reason: null, heldMs: 1 }

  it('is what was said first, of many at once', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'ck-ledger-'))
    const said = await Promise.all([1, 2, 3, 4, 5, 6].map((heldMs) => claimEnd(dir, { ...end, heldMs })))
    expect(new Set(said.map(({ heldMs }) => heldMs)).size).toBe(1)
    expect(await readEnd(dir, 't')).toEqual(said[0])
    expect(await readdir(dir)).toEqual(['t.ended'])
    await rm(dir, { recursive: true })
  })

  it('is forgotten after a week, and no open freeze ever', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'ck-ledger-'))
    const day = 24 * 3600
    const now = Date.now()
    for (const [name, days] of [
      ['old.ended', 8],
      ['new.ended', 6],
      ['s.t.frozen', 400],
      ['s.t.said', 400],
      ['gone.t.said', 400],
      ['.partial', 1],
    ] as const) {
      await writeFile(join(dir, name), '')
      await utimes(join(dir, name), now / 1000 - days * day, now / 1000 - days * day)
    }
    await pruneLedger(dir, now)
    expect((await readdir(dir)).sort()).toEqual(['new.ended', 's.t.frozen', 's.t.said'])
    await rm(dir, { recursive: true })
  })
})
