import { describe, expect, it } from 'vitest'
import { readAnswer, readFreezeSaid } from '../../quiesce/read-answer.js'
import { allThawed, createBench, freezeOf, patience, type Guest } from './bench.js'

const thaws = (calls: string[]) => calls.filter((call) => call.startsWith('domfsthaw'))

describe('a freeze is refused, and nothing is thawed that nobody of us froze', () => {
  const cases: [string, (guest: Guest) => Promise<unknown>][] = [
    ['CK-QUIESCE-NO-DOMAIN', (guest) => guest.leave()],
    ['CK-QUIESCE-NOT-RUNNING', (guest) => guest.set('state', 'shut off')],
    ['CK-QUIESCE-NO-AGENT', (guest) => guest.set('agent', 'argument unsupported: QEMU guest agent is not configured')],
    [
      'CK-QUIESCE-NO-AGENT',
      (guest) => guest.set('agent', 'Guest agent is not responding: QEMU guest agent is not connected'),
    ],
    ['CK-QUIESCE-ALREADY-FROZEN', (guest) => guest.set('frozen', '2')],
    ['CK-QUIESCE-AGENT-SILENT', (guest) => guest.set('locked')],
  ]
  it.each(cases)('%s (%#)', async (code, prepare) => {
    const bench = await createBench()
    const [guest, agent] = [await bench.guest(), await bench.agent()]
    await prepare(guest)
    const frozenByOthers = guest.frozen()
    const { request, thaw } = freezeOf(guest)
    await expect(agent.freezeServer(request)).rejects.toMatchObject({ code })
    expect(await agent.thawServer(thaw)).toMatchObject({ kept: false, reason: { code: 'CK-QUIESCE-NOT-FROZEN' } })
    await expect.poll(() => bench.watchdogs(), patience).toEqual([])
    expect(await bench.entries()).toEqual([])
    expect(thaws(await bench.calls())).toEqual([])
    expect(guest.frozen()).toBe(frozenByOthers)
  })

  it('CK-QUIESCE-UNREACHABLE', async () => {
    const bench = await createBench()
    const [guest, agent] = [await bench.guest(), await bench.agent()]
    const { writeFile } = await import('node:fs/promises')
    await writeFile(`${bench.state}/unreachable`, '')
    await expect(agent.freezeServer(freezeOf(guest).request)).rejects.toMatchObject({ code: 'CK-QUIESCE-UNREACHABLE' })
    expect(await bench.entries()).toEqual([])
  })

  it('by somebody else, also when the agent dies before it has read the refusal', async () => {
    const bench = await createBench()
    const [guest, agent] = [await bench.guest(), await bench.agent()]
    await guest.set('frozen', '2')
    await guest.set('slow-virsh')
    void agent.freezeServer(freezeOf(guest).request).catch(() => undefined)
    await expect.poll(async () => (await bench.calls()).at(-1), patience).toBe(`domfsfreeze ${guest.id}`)
    agent.process.kill('SIGSTOP')
    await guest.unset('slow-virsh')
    const { readFile } = await import('node:fs/promises')
    const [entry = ''] = await bench.entries()
    const said = () => readFile(`${bench.dir}/${entry.replace('.frozen', '.said')}`, 'utf8')
    await expect.poll(said, patience).toContain('has been disabled')
    await agent.kill('SIGKILL')
    await expect.poll(() => bench.entries(), patience).toEqual([])
    expect(thaws(await bench.calls())).toEqual([])
    expect(guest.frozen()).toBe(true)
  })
})

describe('a freeze that is not surely nothing is thawed', () => {
  it('CK-QUIESCE-AGENT-SILENT: the guest hangs beyond the limit, and freezes afterwards', async () => {
    const bench = await createBench()
    const [guest, agent] = [await bench.guest(), await bench.agent()]
    await guest.set('slow-guest')
    const { request, thaw } = freezeOf(guest, 4)
    await expect(agent.freezeServer(request)).rejects.toMatchObject({ code: 'CK-QUIESCE-AGENT-SILENT' })
    // libvirt gives the guest to nobody else meanwhile: it cannot be told that it is thawed
    await expect(agent.thawServer(thaw)).rejects.toMatchObject({ code: 'CK-QUIESCE-NOT-THAWED' })
    await expect(agent.freezeServer(freezeOf(guest).request)).rejects.toMatchObject({
      code: 'CK-QUIESCE-ALREADY-FROZEN',
    })
    await guest.unset('slow-guest')
    await expect.poll(() => guest.freezes(), patience).toBe(1)
    await allThawed(bench, guest)
    expect(await agent.thawServer(thaw)).toMatchObject({ kept: false })
  })

  it('CK-QUIESCE-AGENT-SILENT and CK-QUIESCE-FAILED: what libvirt says leaves it open', async () => {
    const bench = await createBench()
    const agent = await bench.agent()
    const words = [
      ['CK-QUIESCE-AGENT-SILENT', 'Guest agent is not responding: Guest agent not available for now'],
      ['CK-QUIESCE-FAILED', 'Guest agent disappeared while executing command'],
    ]
    for (const [code, text = ''] of words) {
      const guest = await bench.guest()
      await guest.set('agent', text)
      await expect(agent.freezeServer(freezeOf(guest).request)).rejects.toMatchObject({ code })
      // it had frozen nonetheless
      await guest.set('frozen', '2')
      await guest.set('agent', 'ok')
      await allThawed(bench, guest)
    }
  })

  it('CK-QUIESCE-FAILED: a guest that froze nothing', async () => {
    const bench = await createBench()
    const [guest, agent] = [await bench.guest(0), await bench.agent()]
    await expect(agent.freezeServer(freezeOf(guest).request)).rejects.toMatchObject({ code: 'CK-QUIESCE-FAILED' })
    await allThawed(bench, guest)
  })
})

describe("virsh's words", () => {
  it('of a freeze that its file holds only in part decide nothing', () => {
    expect(readFreezeSaid('')).toBe(null)
    expect(readFreezeSaid('Froze 2 filesy')).toBe(null)
    expect(readFreezeSaid('Froze 2 filesystem(s)\n')).toBe('froze')
    expect(readFreezeSaid('error: Unable to freeze filesystems\n')).toBe(null)
    expect(
      readFreezeSaid('error: Unable to freeze filesystems\nerror: The command guest-fsfreeze-freeze has been disabled'),
    ).toBe(null)
    expect(readFreezeSaid("error: failed to get domain 'x'\n")).toBe('refused')
    expect(readFreezeSaid('error: Guest agent is not responding: Guest agent not available for now\n')).toBe(null)
  })

  it.each([
    ['error: failed to connect to the hypervisor\nerror: no route', 'CK-QUIESCE-UNREACHABLE', true],
    [
      "error: internal error: unable to execute QEMU agent command 'guest-fsfreeze-freeze': Command guest-fsfreeze-freeze has been disabled: the command is not allowed",
      'CK-QUIESCE-ALREADY-FROZEN',
      true,
    ],
    ['error: Timed out during operation: cannot acquire state change lock', 'CK-QUIESCE-AGENT-SILENT', true],
    ['error: Requested operation is not valid: domain is not running', 'CK-QUIESCE-NOT-RUNNING', true],
    ['error: Disconnected from qemu:///system due to end of file', 'CK-QUIESCE-FAILED', false],
    ['', 'CK-QUIESCE-FAILED', false],
  ])('%j', (text, code, surelyNot) => {
    expect(readAnswer({ text, exit: 1 })).toMatchObject({ done: false, code, surelyNot })
  })

  it('count for nothing without exit code 0', () => {
    expect(readAnswer({ text: 'Thawed 2 filesystem(s)\n', exit: 1 })).toMatchObject({ done: false })
    expect(readAnswer({ text: 'Thawed 2 filesystem(s)\n', exit: null })).toMatchObject({ done: false })
    expect(readAnswer({ text: 'Thawed 2 filesystem(s)\n', exit: 0 })).toEqual({ done: true, filesystems: 2 })
  })
})
