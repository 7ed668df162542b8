import { ApiError } from './api-error.js'
import type { Cloud } from './cloud.js'
import { findRoute, guarded } from './http.js'
import type { ApiRequest, Handler, Route, Service } from './http.js'
import { identify } from './keystone.js'
import type { ImageRecord } from './state.js'

/** As much of Glance's `/v2` as images of volume-backed servers need: they have properties and no bytes. Mounted at `/image`. */
export function glance(cloud: Cloud): Service {
  const routes = imageRoutes(cloud)
  return {
    mount: 'image',
    answer: async (request) => {
      const trimmed = request.path.replace(/\/$/, '')
      if (trimmed === '' || trimmed === '/versions') {
        const links = [{ rel: 'self', href: `${request.base}/v2/` }]
        return { status: 300, body: { versions: [{ id: 'v2.15', status: 'CURRENT', links }] } }
      }
      const answer = await guarded(cloud, imageFault, () => {
        const caller = identify(cloud, request.headers, request.requestId)
        const found = findRoute(routes, request.method, trimmed.replace(/^\/v2/, ''))
        if (found === undefined) throw new ApiError(404, 'The resource could not be found.')
        return found.route[2]({ ...request, params: found.params, caller, minor: 0 })
      })
      // Glance answers errors with a page
      return answer.status < 400 ? answer : { status: answer.status, html: String(answer.body) }
    },
  }
}

const imageFault = ({ status, message }: ApiError): string =>
  `<html>\n <head>\n  <title>${status}</title>\n </head>\n <body>\n  <h1>${status}</h1>\n  ${message}<br /><br />\n </body>\n</html>`

function imageRoutes(cloud: Cloud): readonly Route[] {
  const isSeen = (request: ApiRequest, image: ImageRecord): boolean =>
    request.caller.isAdmin || image.projectId === request.caller.projectId
  const find = (request: ApiRequest): ImageRecord => {
    const id = request.params['id'] ?? ''
    const image = cloud.state.images.get(id)
    if (image === undefined || !isSeen(request, image)) {
      throw new ApiError(404, `Failed to find image ${id} to ${request.method === 'GET' ? 'show' : 'delete'}`)
    }
    return image
  }
  const list: Handler = (request) => {
    const { query } = request
    const name = query.get('name')
    const owner = query.get('owner')
    const all = [...cloud.state.images.values()]
      .filter((image) => isSeen(request, image))
      .filter((image) => (name === null || image.name === name) && (owner === null || image.projectId === owner))
      .toReversed()
    const marker = query.get('marker')
    const start = marker === null ? 0 : all.findIndex(({ id }) => id === marker) + 1
    const limit = Number(query.get('limit') ?? 25)
    const images = all.slice(start, start + limit)
    const more = start + limit < all.length
    return {
      status: 200,
      body: {
        images: images.map(shown),
        first: '/v2/images',
        ...(more ? { next: `/v2/images?marker=${images.at(-1)?.id ?? ''}&limit=${limit}` } : {}),
        schema: '/v2/schemas/images',
      },
    }
  }
  return [
    ['GET', '/images', list],
    ['GET', '/images/:id', (request) => ({ status: 200, body: shown(find(request)) })],
    [
      'DELETE',
      '/images/:id',
      (request) => {
        cloud.state.images.delete(find(request).id)
        return { status: 204 }
      },
    ],
  ]
}

/** Properties stand beside Glance's own fields. */
const shown = (image: ImageRecord): unknown => ({
  ...image.properties,
  id: image.id,
  name: image.name,
  status: 'active',
  visibility: image.visibility,
  owner: image.projectId,
  ...{ size: 0, virtual_size: null, checksum: 'd41d8cd98f00b204e9800998ecf8427e', disk_format: 'qcow2' },
  ...{ container_format: 'bare', min_disk: 0, min_ram: 0, protected: false, os_hidden: false, tags: [] },
  created_at: image.createdAt,
  updated_at: image.createdAt,
  self: `/v2/images/${image.id}`,
  file: `/v2/images/${image.id}/file`,
  schema: '/v2/schemas/image',
})
