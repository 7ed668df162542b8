import { beforeAll, describe, expect, it } from 'vitest'
import { askForToken, badRequest, connectClient, itemNotFound, plain, request, seen } from './cloud.js'
import type { Client, ConformityCloud } from './cloud.js'

const nobody = '00000000-0000-4000-8000-000000000000'

/** Tokens, versions, refusals. */
export function discoveryChecks(open: () => ConformityCloud): void {
  describe('tokens and versions', () => {
    let admin: Client
    let member: Client
    beforeAll(async () => {
      admin = await connectClient(open().admin)
      member = await connectClient(open().member)
    })

    it('gives a token with project, roles and a catalogue, and refuses a wrong password', async () => {
      const answer = await askForToken(open().admin)
      expect(answer.status).toBe(201)
      expect(Object.keys((answer.body as { token: object }).token)).toEqual(
        expect.arrayContaining(['methods', 'user', 'expires_at', 'issued_at', 'project', 'roles', 'catalog']),
      )
      expect(seen(await askForToken(open().admin, 'wrong'))).toEqual({
        status: 401,
        body: {
          error: { code: 401, message: 'The request you have made requires authentication.', title: 'Unauthorized' },
        },
      })
    })

    it('lists its versions with a 300 and without a token', async () => {
      const answer = await request('GET', `${admin.root}/`)
      expect(seen(answer)).toMatchObject({
        status: 300,
        body: { versions: [{ id: 'v3.0', status: 'CURRENT', version: '3.70', min_version: '3.0' }] },
      })
    })

    it('refuses what comes without a token or with a wrong one', async () => {
      const refusal = {
        status: 401,
        body: {
          error: { code: 401, title: 'Unauthorized', message: 'The request you have made requires authentication.' },
        },
      }
      expect(seen(await request('GET', `${admin.endpoint}/volumes`))).toEqual(refusal)
      expect(seen(await request('GET', `${admin.root}/v3/`))).toEqual(refusal)
      expect(seen(await request('GET', `${admin.endpoint}/volumes`, { 'X-Auth-Token': 'x' }))).toEqual(refusal)
    })

    it('answers in the microversion that was asked for, and 406 beyond 3.70', async () => {
      const versionOf = async (asked: string | null): Promise<string | null> =>
        (await admin.call('GET', '/limits', undefined, asked)).headers.get('openstack-api-version')
      expect(await versionOf(null)).toBe('volume 3.0')
      expect(await versionOf('3.43')).toBe('volume 3.43')
      expect(await versionOf('latest')).toBe('volume 3.70')
      expect(seen(await admin.call('GET', '/limits', undefined, '3.71'))).toEqual({
        status: 406,
        body: {
          computeFault: {
            code: 406,
            message: 'Version 3.71 is not supported by the API. Minimum is 3.0 and maximum is 3.70.',
          },
        },
      })
      expect(seen(await admin.call('GET', '/limits', undefined, 'abc'))).toEqual(
        badRequest('API Version String abc is of invalid format. Must be of format MajorNum.MinorNum.'),
      )
    })

    it('names each request, and refuses the project of another in the path', async () => {
      const answer = await admin.call('GET', '/limits')
      expect(plain(answer.headers.get('x-compute-request-id'))).toBe('req-<uuid>')
      expect(plain(answer.headers.get('x-openstack-request-id'))).toBe('req-<uuid>')
      const foreign = admin.endpoint.replace(admin.projectId, member.projectId)
      expect(seen(await admin.call('GET', `${foreign}/limits`))).toEqual(badRequest('Malformed request url'))
      expect((await admin.call('GET', `${admin.root}/v3/limits`, undefined, '3.67')).status).toBe(200)
    })

    it('says 404 of what is not there', async () => {
      expect(seen(await admin.call('GET', `/volumes/${nobody}`))).toEqual(
        itemNotFound('Volume <uuid> could not be found.'),
      )
      expect(seen(await admin.call('DELETE', `/snapshots/${nobody}`))).toEqual(
        itemNotFound('Snapshot <uuid> could not be found.'),
      )
      expect(seen(await admin.call('GET', `/backups/${nobody}`))).toEqual(
        itemNotFound('Backup <uuid> could not be found.'),
      )
      const unknown = await admin.call('GET', '/nonsense')
      expect(unknown.status).toBe(404)
      expect(unknown.headers.get('content-type')).toMatch(/^text\/html/)
    })

    it('shows the pools to an admin alone, and what is in them when asked for details', async () => {
      const brief = await admin.call('GET', '/scheduler-stats/get_pools')
      expect(brief.status).toBe(200)
      const [name, ...others] = (brief.body as { pools: { name: string }[] }).pools
      expect(others).toEqual([])
      expect(Object.keys(name ?? {})).toEqual(['name'])
      const answer = await admin.call('GET', '/scheduler-stats/get_pools?detail=true')
      const pool = (answer.body as { pools: { name: string; capabilities: Record<string, unknown> }[] }).pools[0]
      expect(pool?.name).toBe(name?.name)
      const kinds = Object.entries(pool?.capabilities ?? {}).map(([key, value]) => [
        key,
        value === null ? null : typeof value,
      ])
      expect(Object.fromEntries(kinds)).toEqual({
        ...{ vendor_name: 'string', driver_version: 'string', storage_protocol: 'string', location_info: 'string' },
        ...{ total_capacity_gb: 'number', free_capacity_gb: 'number', allocated_capacity_gb: 'number' },
        ...{
          reserved_percentage: 'number',
          max_over_subscription_ratio: 'string',
          thin_provisioning_support: 'boolean',
        },
        ...{ multiattach: 'boolean', qos_support: 'boolean', replication_enabled: 'boolean', backend_state: 'string' },
        ...{ volume_backend_name: 'string', filter_function: null, goodness_function: null, timestamp: 'string' },
      })
      expect(seen(await member.call('GET', '/scheduler-stats/get_pools'))).toEqual({
        status: 403,
        body: {
          forbidden: {
            code: 403,
            message: "Policy doesn't allow scheduler_extension:scheduler_stats:get_pools to be performed.",
          },
        },
      })
    })

    it('counts what a project uses: a snapshot is as large as its volume', async () => {
      const answer = await admin.call('GET', '/limits')
      const { rate, absolute } = (answer.body as { limits: { rate: unknown[]; absolute: Record<string, unknown> } })
        .limits
      expect(rate).toEqual([])
      expect(Object.keys(absolute).sort()).toEqual([
        ...['maxTotalBackupGigabytes', 'maxTotalBackups', 'maxTotalSnapshots', 'maxTotalVolumeGigabytes'],
        ...['maxTotalVolumes', 'totalBackupGigabytesUsed', 'totalBackupsUsed', 'totalGigabytesUsed'],
        ...['totalSnapshotsUsed', 'totalVolumesUsed'],
      ])
      expect(Object.values(absolute).every((value) => Number.isInteger(value))).toBe(true)
    })

    it('shows the services to an admin alone', async () => {
      const answer = await admin.call('GET', '/os-services?binary=cinder-backup')
      expect(seen(answer)).toEqual({
        status: 200,
        body: {
          services: [
            {
              binary: 'cinder-backup',
              host: '<host>',
              zone: 'nova',
              status: 'enabled',
              state: 'up',
              updated_at: '<time>',
              cluster: null,
              disabled_reason: null,
            },
          ],
        },
      })
      expect(seen(await member.call('GET', '/os-services'))).toEqual({
        status: 403,
        body: {
          forbidden: {
            code: 403,
            message: "Policy doesn't allow volume_extension:services:index to be performed.",
          },
        },
      })
    })
  })
}
