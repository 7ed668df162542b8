import { ApiError, badRequest, cinderFault } from './api-error.js'
import { attachmentRoutes } from './attachments.js'
import { backupRoutes } from './backups.js'
import type { Cloud } from './cloud.js'
import { findRoute, guarded, malformed } from './http.js'
import type { ApiAnswer, Route, Service } from './http.js'
import { identify, isKnown } from './keystone.js'
import { messageRoutes } from './messages.js'
import { poolRoutes } from './pools.js'
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
    ...poolRoutes(cloud),
    ...serviceRoutes(cloud),
    ...messageRoutes(cloud),
    ...typeRoutes(cloud),
  ]
  return {
    mount: 'volume',
    async answer(request) {
      const trimmed = request.path.replace(/\/$/, '')
      if (trimmed === '') {
        const headers = {
          'OpenStack-API-Version': 'volume 3.0',
          Vary: 'OpenStack-API-Version',
          'x-compute-request-id': request.requestId,
        }
        return { status: 300, body: versions(request.base), headers }
      }
      const header = request.headers['openstack-api-version']?.toString()
      let version: Record<string, string> = {}
      if (!isKnown(cloud, request.headers)) return unauthorized(cloud)
      const answer = await guarded(cloud, cinderFault, async () => {
        if (!trimmed.startsWith('/v3')) throw notThere()
        const caller = identify(cloud, request.headers, request.requestId)
        const echo = (asked: string): Record<string, string> => ({
          'OpenStack-API-Version': `volume ${asked}`,
          Vary: 'OpenStack-API-Version',
        })
        const minor = minorOf(header, (asked) => (version = echo(asked)))
        version = echo(`3.${minor}`)
        if (trimmed === '/v3') return { status: 200, body: versions(request.base) }
        if (request.body === malformed) throw badRequest('Malformed request body')
        const [, , first = '', ...rest] = trimmed.split('/')
        const named = /^[0-9a-f]{32}$/.test(first)
        if (named && first !== caller.projectId) throw badRequest('Malformed request url')
        const path = `/${(named ? rest : [first, ...rest]).join('/')}`
        const found = findRoute(routes, request.method, path)
        if (found === undefined) return noRoute
        if (minor < (found.route[3] ?? 0)) throw notThere()
        return found.route[2]({ ...request, path, params: found.params, caller, minor })
      })
      if (answer === noRoute) return answer
      // the answer to a DELETE comes without the request id
      const id =
        answer.body === undefined && request.method === 'DELETE' ? {} : { 'x-compute-request-id': request.requestId }
      return { ...answer, headers: { ...version, ...id, ...answer.headers } }
    },
  }
}

/** What the router says of a path that it does not know: a page, not a fault. */
const noRoute: ApiAnswer = {
  status: 404,
  html: '<html>\n <head>\n  <title>404 Not Found</title>\n </head>\n <body>\n  <h1>404 Not Found</h1>\n  The resource could not be found.<br /><br />\n\n\n\n </body>\n</html>',
}

/** keystonemiddleware answers before Cinder does. */
const unauthorized = (cloud: Cloud): ApiAnswer => ({
  status: 401,
  headers: { 'WWW-Authenticate': `Keystone uri="${cloud.url}/identity"` },
  body: {
    error: { code: 401, title: 'Unauthorized', message: 'The request you have made requires authentication.' },
  },
})

const notThere = (): ApiError => new ApiError(404, 'The resource could not be found.')

/** The minor number that `OpenStack-API-Version: volume 3.x` asks for; 0 without the header. @throws 406, 400 */
function minorOf(header: string | undefined, wellFormed: (asked: string) => void): number {
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
  if (match[1] === '3') wellFormed(asked)
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
