import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { installVirsh, libvirtUri } from '../../sandbox/install-virsh.js'
import type { Sandbox } from '../../sandbox/sandbox.js'
import type { ServerRecord } from '../../sandbox/state.js'
import { idOf, makeVolume, request, settles } from '../cloud-conformity/cloud.js'
import type { Client } from '../cloud-conformity/cloud.js'
import { withSandbox } from './with-sandbox.js'

/** A server with two volumes. */
async function twoDisks(sandbox: Sandbox, admin: Client): Promise<{ server: ServerRecord; volumes: string[] }> {
  const volumes = [await makeVolume(admin), await makeVolume(admin)]
  const server = sandbox.addServer({ name: 'db', projectId: admin.projectId, userId: 'somebody', volumes })
  return { server, volumes }
}

const ask = async (sandbox: Sandbox, path: string, body?: unknown) =>
  request(body === undefined ? 'GET' : 'POST', `${sandbox.url}/_sandbox/guests/${path}`, {}, body)

async function snapshotOf(sandbox: Sandbox, admin: Client, volume: string) {
  const id = idOf(await admin.call('POST', '/snapshots', { snapshot: { volume_id: volume, force: true } }))
  await settles(admin, `/snapshots/${id}`, 'creating')
  const { frozen, writes } = sandbox.state.snapshots.get(id) ?? {}
  return { frozen, writes }
}

describe('a guest', () => {
  it('goes on writing unless it is frozen, and each snapshot shows which it was', () =>
    withSandbox({}, async (sandbox, admin) => {
      const { server, volumes } = await twoDisks(sandbox, admin)
      const both = async () => [
        await snapshotOf(sandbox, admin, volumes[0] ?? ''),
        await snapshotOf(sandbox, admin, volumes[1] ?? ''),
      ]
      const loose = await both()
      expect(loose.map(({ frozen }) => frozen)).toEqual([false, false])
      expect(loose[0]?.writes).toBeLessThan(loose[1]?.writes ?? 0)
      expect(await ask(sandbox, `${server.id}/freeze`, {})).toMatchObject({ status: 200, body: { filesystems: 2 } })
      const held = await both()
      expect(held.map(({ frozen }) => frozen)).toEqual([true, true])
      expect(held[0]?.writes).toBe(held[1]?.writes)
      expect(await ask(sandbox, `${server.id}/thaw`, {})).toMatchObject({ status: 200, body: { filesystems: 2 } })
      expect((await both()).map(({ frozen }) => frozen)).toEqual([false, false])
      const told = await request('GET', `${sandbox.url}/_sandbox/snapshots`)
      expect((told.body as { snapshots: { frozen: boolean }[] }).snapshots.filter(({ frozen }) => frozen)).toHaveLength(
        2,
      )
    }))

  it('that thaws while its bytes are copied was not frozen', () =>
    withSandbox({ delays: { 'snapshot.create': 60 } }, async (sandbox, admin) => {
      const { server, volumes } = await twoDisks(sandbox, admin)
      await ask(sandbox, server.id, { thawsAfterMs: 20 })
      await ask(sandbox, `${server.id}/freeze`, {})
      expect((await snapshotOf(sandbox, admin, volumes[0] ?? '')).frozen).toBe(false)
    }))

  it('of Windows says so at the thaw when it thawed by itself', () =>
    withSandbox({}, async (sandbox, admin) => {
      const { server } = await twoDisks(sandbox, admin)
      await ask(sandbox, server.id, { os: 'windows', thawsAfterMs: 10 })
      await ask(sandbox, `${server.id}/freeze`, {})
      await sleep(40)
      expect(await ask(sandbox, `${server.id}/thaw`, {})).toMatchObject({
        status: 409,
        body: { error: expect.stringContaining("couldn't hold writes") as string },
      })
      expect(await ask(sandbox, `${server.id}/thaw`, {})).toMatchObject({ status: 200, body: { filesystems: 0 } })
    }))

  it('that hangs goes on freezing when nobody waits any more', () =>
    withSandbox({}, async (sandbox, admin) => {
      const { server } = await twoDisks(sandbox, admin)
      await ask(sandbox, server.id, { freeze: 'hangs' })
      const url = `${sandbox.url}/_sandbox/guests/${server.id}/freeze`
      await expect(fetch(url, { method: 'POST', signal: AbortSignal.timeout(50) })).rejects.toThrow()
      expect(server.guest).toMatchObject({ frozen: false, freezing: true })
      expect((await ask(sandbox, `${server.id}/thaw`, {})).status).toBe(409)
      await ask(sandbox, server.id, { freeze: 'works' })
      await expect.poll(() => server.guest.frozen).toBe(true)
    }))

  it('is thawed by a restart, and has no libvirt while it is off', () =>
    withSandbox({}, async (sandbox, admin) => {
      const { server } = await twoDisks(sandbox, admin)
      await ask(sandbox, `${server.id}/freeze`, {})
      const act = async (action: string) =>
        admin.call('POST', `${sandbox.url}/compute/v2.1/servers/${server.id}/action`, { [action]: null }, null)
      expect((await act('os-stop')).status).toBe(202)
      expect(await ask(sandbox, `${server.id}/freeze`, {})).toMatchObject({ status: 409, body: { code: 55 } })
      expect((await act('os-start')).status).toBe(202)
      expect((await act('os-start')).status).toBe(409)
      expect(server.guest.frozen).toBe(false)
      expect(sandbox.notifier.published.slice(-4).map((one) => [one.eventType, one.payload['state']])).toEqual([
        ['compute.instance.power_off.start', 'active'],
        ['compute.instance.power_off.end', 'stopped'],
        ['compute.instance.power_on.start', 'stopped'],
        ['compute.instance.power_on.end', 'active'],
      ])
    }))
})

describe('virsh', () => {
  it('speaks and exits as the real one does', () =>
    withSandbox({}, async (sandbox, admin) => {
      const { server } = await twoDisks(sandbox, admin)
      const dir = await mkdtemp(join(tmpdir(), 'virsh-'))
      await installVirsh(dir)
      const env = { PATH: `${dir}:/usr/bin:/bin`, LIBVIRT_DEFAULT_URI: libvirtUri(sandbox.url) }
      const virsh = async (...args: string[]): Promise<[code: number, out: string, err: string]> =>
        new Promise((done) => {
          execFile('virsh', args, { env }, (error, out, err) => {
            done([Number(error?.code ?? 0), out, err])
          })
        })
      const here = (command: string) => virsh(command, server.id)
      expect(await here('domstate')).toEqual([0, 'running\n\n', ''])
      expect(await virsh('--quiet', 'domstate', server.id)).toEqual([0, 'running\n', ''])
      expect(await virsh('--quiet', 'hostname')).toEqual([0, 'sandbox\n', ''])
      expect(await here('domfsfreeze')).toEqual([0, 'Froze 2 filesystem(s)\n\n', ''])
      const again =
        "error: Unable to freeze filesystems\nerror: internal error: unable to execute QEMU agent command 'guest-fsfreeze-freeze': The command guest-fsfreeze-freeze has been disabled for this instance\n"
      expect(await here('domfsfreeze')).toEqual([1, '\n', again])
      expect(await here('domfsthaw')).toEqual([0, 'Thawed 2 filesystem(s)\n\n', ''])
      expect(await virsh('-q', '--connect', libvirtUri(sandbox.url), 'domfsfreeze', server.id)).toEqual([0, '', ''])
      const gone = [1, '\n', `error: failed to get domain '${server.id}'\n`]
      await ask(sandbox, `${server.id}/migrate`, { host: 'other' })
      expect(await here('domfsthaw')).toEqual(gone)
      expect(await virsh('-c', libvirtUri(sandbox.url, 'other'), 'domfsthaw', server.id)).toEqual([
        0,
        'Thawed 2 filesystem(s)\n\n',
        '',
      ])
      await ask(sandbox, server.id, { agent: 'absent' })
      expect(await virsh('-c', libvirtUri(sandbox.url, 'other'), 'domfsfreeze', server.id)).toEqual([
        1,
        '\n',
        'error: Unable to freeze filesystems\nerror: Guest agent is not responding: QEMU guest agent is not connected\n',
      ])
      expect((await virsh('-c', 'sandbox+http://127.0.0.1:1', 'hostname'))[0]).toBe(1)
      await rm(dir, { recursive: true })
    }))
})
