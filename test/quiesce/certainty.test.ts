import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { monotonicMs } from '../../quiesce/clock.js'
import { claimEnd, closeEntry, makeLedger, writeEntry } from '../../quiesce/ledger.js'
import { thawUntilOver } from '../../quiesce/thaw-until-over.js'
import { allThawed, createBench, freezeOf, patience } from './bench.js'

async function openFreeze() {
  const bench = await createBench()
  const guest = await bench.guest()
  const entry = { server: guest.id, token: freezeOf(guest).request.token, boot: '', deadlineMs: 0, limitSeconds: 1 }
  await makeLedger(bench.dir)
  await writeEntry(bench.dir, entry)
  const virsh = { uri: 'qemu:///system', env: { PATH: bench.path, LC_ALL: 'C' } }
  const thaws = async () => (await bench.calls()).filter((call) => call.startsWith('domfsthaw')).length
  return { bench, guest, thaws, ward: { dir: bench.dir, virsh, entry } }
}
const later = (ms: number) => monotonicMs() + ms

it('a freeze that said nothing is over when the guest has said three times that nothing is frozen', async () => {
  const { ward, thaws } = await openFreeze()
  expect(await thawUntilOver(ward, later(50_000))).toEqual({ how: 'thawed', filesystems: 0 })
  expect(await thaws()).toBe(3)
})

it('and not while it may not have begun: its agent only stands still', async () => {
  const { ward, thaws } = await openFreeze()
  let holds = true
  const over = thawUntilOver({ ...ward, mayBegin: () => holds }, later(50_000))
  await expect.poll(thaws, patience).toBeGreaterThan(4)
  holds = false
  expect(await over).toEqual({ how: 'thawed', filesystems: 0 })
})

it('a freeze that has answered is over with one thaw', async () => {
  const { ward, guest, thaws } = await openFreeze()
  await guest.set('frozen', '2')
  await writeFile(join(ward.dir, `${ward.entry.server}.${ward.entry.token}.said`), 'Froze 2 filesystem(s)\n')
  expect(await thawUntilOver(ward, later(50_000))).toEqual({ how: 'thawed', filesystems: 2 })
  expect(await thaws()).toBe(1)
})

it('a server that libvirt does not find for a moment has not gone', async () => {
  const { ward, guest, bench, thaws } = await openFreeze()
  await guest.set('state', 'shut off')
  const over = thawUntilOver(ward, later(50_000))
  await expect.poll(thaws, patience).toBe(1)
  await guest.set('frozen', '2')
  await guest.set('state', 'running')
  await over
  expect(guest.frozen()).toBe(false)
  expect(await bench.entries()).toHaveLength(1) // whoever asked decides, then closes it
})

it('nothing is thawed once somebody else has closed the entry', async () => {
  const { ward, guest, thaws } = await openFreeze()
  await guest.set('frozen', '2')
  await closeEntry(ward.dir, ward.entry)
  expect(await thawUntilOver(ward, later(50_000))).toEqual({ how: 'elsewhere' })
  expect(await thaws()).toBe(0)
})

it('a freeze that is done after somebody has closed its entry is thawed all the same', async () => {
  const bench = await createBench()
  const [guest, agent] = [await bench.guest(), await bench.agent()]
  await guest.set('slow-answer')
  const { request } = freezeOf(guest)
  const freeze = agent.freezeServer(request)
  await expect.poll(() => guest.frozen(), patience).toBe(true)
  const ids = { server: guest.id, token: request.token }
  await claimEnd(bench.dir, { ...ids, kept: false, reason: null, heldMs: null })
  await closeEntry(bench.dir, ids)
  await guest.unset('slow-answer')
  await expect(freeze).rejects.toMatchObject({ code: 'CK-QUIESCE-TOO-LATE' })
  await allThawed(bench, guest)
})
