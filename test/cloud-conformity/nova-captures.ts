import { randomUUID } from 'node:crypto'
import { beforeAll, describe, expect, it } from 'vitest'
import { captureByNova } from '../../activities/capture-by-nova.js'
import type { NovaDeps } from '../../activities/nova-leftovers.js'
import { releaseByNova } from '../../activities/release-by-nova.js'
import { serversOf } from '../../activities/servers-of.js'
import { silentLog } from '../../log/log.js'
import { cinder } from '../../openstack/cinder.js'
import { glance } from '../../openstack/glance.js'
import { nova } from '../../openstack/nova.js'
import { environment } from '../activities/bench.js'
import { quiescing, type LabServer, type NovaLab } from './nova-lab.js'

/** Nova's way, from the servers of some volumes to nothing left behind. */
export function novaCaptureChecks(open: () => NovaLab): void {
  describe('a capture by Nova', () => {
    let deps: NovaDeps
    beforeAll(() => {
      const { session } = open()
      deps = {
        ...{ installation: randomUUID(), log: silentLog },
        ...{ cinder: cinder(session), glance: glance(session), nova: nova(session) },
      }
    })
    const run = async <A extends unknown[], R>(act: (...args: A) => Promise<R>, ...args: A): Promise<R> =>
      environment({ heartbeatTimeoutMs: 60_000 }).run(act, ...args)
    const requestFor = ({ serverId, volumeIds }: LabServer) => ({
      ...{ archive: 'server/conformity', serverId, imageName: `ck-${randomUUID()}`, maxAgeSeconds: 3600 },
      volumes: volumeIds.map((volumeId) => ({ volumeId, archiveId: randomUUID() })),
    })
    const withServer = async (
      given: { properties: Record<string, string>; agent: boolean },
      act: (server: LabServer) => Promise<void>,
    ): Promise<void> => {
      const server = await open().newServer(given)
      try {
        await act(server)
      } finally {
        await open().removeServer(server)
      }
    }
    const snapshotsOf = async (volumeId: string): Promise<string[]> => {
      const names: string[] = []
      for await (const { name } of deps.cinder.listSnapshots({ allProjects: true, volumeId })) names.push(name)
      return names
    }

    it('freezes, and leaves one capture a volume, and after its release nothing', () =>
      withServer({ properties: quiescing, agent: true }, async (server) => {
        const [boot, data] = server.volumeIds
        const { servers } = await serversOf(deps, [data])
        expect(servers).toMatchObject([{ serverId: server.serverId, status: 'ACTIVE', novaObstacle: null }])
        expect(servers[0]?.volumeIds).toContain(boot)
        const request = requestFor(server)
        const { snapshots } = await run(captureByNova(deps), request)
        expect(snapshots.map(({ frozen, reason }) => ({ frozen, reason }))).toEqual([
          { frozen: true, reason: null },
          { frozen: true, reason: null },
        ])
        for (const { snapshotId } of snapshots) expect(await open().wasFrozen(snapshotId)).toBe(true)
        for (const { volumeId, archiveId } of request.volumes) {
          expect(await snapshotsOf(volumeId)).toEqual([`ck-${archiveId}`])
        }
        expect(await deps.glance.ownImages(request.imageName)).toEqual([])
        expect(await run(captureByNova(deps), request)).toEqual({ snapshots })
        await expect.poll(async () => open().isFrozen(server.serverId), { timeout: 60_000 }).toBe(false)
        await run(releaseByNova(deps), { ...request, settled: true })
        expect([await snapshotsOf(boot), await snapshotsOf(data)]).toEqual([[], []])
      }))

    it('of one volume leaves nothing of the others', () =>
      withServer({ properties: quiescing, agent: true }, async (server) => {
        const [boot, data] = server.volumeIds
        const request = requestFor(server)
        const one = { ...request, volumes: request.volumes.slice(1) }
        await run(captureByNova(deps), one)
        expect([await snapshotsOf(boot), (await snapshotsOf(data)).length]).toEqual([[], 1])
        await run(releaseByNova(deps), { ...one, settled: true })
        expect(await snapshotsOf(data)).toEqual([])
      }))

    it('says which way is closed, and does nothing', () =>
      withServer({ properties: { hw_qemu_guest_agent: 'yes' }, agent: true }, async (server) => {
        const { servers } = await serversOf(deps, server.volumeIds)
        expect(servers).toMatchObject([{ novaObstacle: { code: 'CK-NOVA-QUIESCE-NOT-REQUIRED' } }])
        await expect(run(captureByNova(deps), requestFor(server))).rejects.toMatchObject({
          code: 'CK-NOVA-QUIESCE-NOT-REQUIRED',
        })
      }))

    it('of a guest without an agent fails and leaves nothing', () =>
      withServer({ properties: quiescing, agent: false }, async (server) => {
        await expect(run(captureByNova(deps), requestFor(server))).rejects.toMatchObject({
          code: 'CK-NOVA-QUIESCE-FAILED',
        })
        expect(await snapshotsOf(server.volumeIds[0])).toEqual([])
      }))
  })
}
