import { ApiError, badRequest, cinderFault } from './api-error.js'
import { attachmentRoutes } from './attachments.js'
import { backupRoutes } from './backups.js'
import type { Cloud } from './cloud.js'
import { findRoute, guarded, malformed } from './http.js'
import type { Route, Service } from './http.js'
import { identify } from './keystone.js'
import { messageRoutes } from './messages.js'
import { quotaRoutes } from './quotas.js'
import { serviceRoutes } from './services.js'
import { snapshotRoutes } from './snapshots.js'
import { transferRoutes } from './transfers.js'
import { typeRoutes } from './types.js'
import { volumeActionRoutes } from './volume-actions.js'
import { volumeRoutes } from './volumes.js'

/** Zed: 3.0 to 3.70. */
export const newestMinor = 70

/** Cinder's `/v3`, mounted at `/volume`; with and without the project in the path (3.67). */
export function cinder(cloud: Cloud): Service {
  const routes: readonly Route[] = [
    ...volumeRoutes(cloud),
    ...volumeActionRoutes(cloud),
    ...snapshotRoutes(cloud),
    ...backupRoutes(cloud),
    ...attachmentRoutes(cloud),
    ...transferRoutes(cloud),
    ...quotaRoutes(cloud),
    ...serviceRoutes(cloud),
    ...messageRoutes(cloud),
    ...typeRoutes(cloud),
  ]
  return {
    mount: 'volume',
    async answer(request) {
      const trimmed = request.path.replace(/\/$/, '')
      if (trimmed === '') return { status: 300, body: versions(request.base) }
      const header = request.headers['openstack-api-version']?.toString()
      let version: Record<string, string> = {}
      const answer = await guarded(cloud, cinderFault, async () => {
        if (!trimmed.startsWith('/v3')) throw notThere()
        const caller = identify(cloud, request.headers, request.requestId)
        const minor = minorOf(header)
        version = { 'OpenStack-API-Version': `volume 3.${minor}`, Vary: 'OpenStack-API-Version' }
        if (trimmed === '/v3') return { status: 200, body: versions(request.base) }
        if (request.body === malformed) throw badRequest('Malformed request body')
        const [, , first = '', ...rest] = trimmed.split('/')
        const named = /^[0-9a-f]{32}$/.test(first)
        if (named && first !== caller.projectId) throw badRequest('Malformed request url')
        const path = `/${(named ? rest : [first, ...rest]).join('/')}`
        const found = findRoute(routes, request.method, path)
        if (found === undefined || minor < (found.route[3] ?? 0)) throw notThere()
        return found.route[2]({ ...request, path, params: found.params, caller, minor })
      })
      const challenge = answer.status === 401 ? { 'WWW-Authenticate': `Keystone uri="${cloud.url}/identity"` } : {}
      return {
        ...answer,
        headers: { ...version, 'x-compute-request-id': request.requestId, ...challenge, ...answer.headers },
      }
    },
  }
}

const notThere = (): ApiError => new ApiError(404, 'The resource could not be found.')

/** The minor number that `OpenStack-API-Version: volume 3.x` asks for; 0 without the header. @throws 406, 400 */
function minorOf(header: string | undefined): number {
  const asked = (header ?? '')
    .split(',')
    .map((part) => part.trim().split(/\s+/))
    .find(([service]) => service === 'volume')?.[1]
  if (asked === undefined) return 0
  if (asked === 'latest') return newestMinor
  const match = /^([1-9]\d*)\.(0|[1-9]\d*)$/.exec(asked)
  if (match === null) {
    throw badRequest(`API Version String ${asked} is of invalid format. Must be of format MajorNum.MinorNum.`)
  }
  const minor = Number(match[2])
  if (match[1] !== '3' || minor > newestMinor) {
    throw new ApiError(
      406,
      `Version ${asked} is not supported by the API. Minimum is 3.0 and maximum is 3.${newestMinor}.`,
    )
  }
  return minor
}

const versions = (base: string): unknown => ({
  versions: [
    {
      id: 'v3.0',
      status: 'CURRENT',
      version: `3.${newestMinor}`,
      min_version: '3.0',
      updated: '2022-07-01T00:00:00Z',
      links: [
        { rel: 'describedby', type: 'text/html', href: 'https://docs.openstack.org/' },
        { rel: 'self', href: `${base}/v3/` },
      ],
      'media-types': [{ base: 'application/json', type: 'application/vnd.openstack.volume+json;version=3' }],
    },
  ],
})
