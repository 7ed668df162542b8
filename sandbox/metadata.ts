import { z } from 'zod'
import { ApiError } from './api-error.js'
import { metadata, parseBody } from './bodies.js'
import type { ApiRequest, Route } from './http.js'

const whole = z.object({ metadata })
const one = z.object({ meta: metadata })

/** `/<collection>/{id}/metadata`: POST merges, PUT replaces, DELETE removes one key. The whole comes labelled
 * `text/html`, as from the real one. */
export function metadataRoutes(
  collection: 'volumes' | 'snapshots',
  find: (request: ApiRequest) => { metadata: Record<string, string> },
): readonly Route[] {
  const missing = (request: ApiRequest, key: string): ApiError => {
    const kind = collection === 'volumes' ? 'Volume' : 'Snapshot'
    return new ApiError(404, `${kind} ${request.params['id'] ?? ''} has no metadata with key ${key}.`)
  }
  return [
    [
      'GET',
      `/${collection}/:id/metadata`,
      (request) => ({ status: 200, html: JSON.stringify({ metadata: find(request).metadata }) }),
    ],
    [
      'POST',
      `/${collection}/:id/metadata`,
      (request) => {
        const item = find(request)
        item.metadata = { ...item.metadata, ...parseBody(whole, request.body).metadata }
        return { status: 200, body: { metadata: item.metadata } }
      },
    ],
    [
      'PUT',
      `/${collection}/:id/metadata`,
      (request) => {
        const item = find(request)
        item.metadata = parseBody(whole, request.body).metadata
        return { status: 200, body: { metadata: item.metadata } }
      },
    ],
    [
      'GET',
      `/${collection}/:id/metadata/:key`,
      (request) => {
        const key = request.params['key'] ?? ''
        const value = find(request).metadata[key]
        if (value === undefined) throw missing(request, key)
        return { status: 200, body: { meta: { [key]: value } } }
      },
    ],
    [
      'PUT',
      `/${collection}/:id/metadata/:key`,
      (request) => {
        const item = find(request)
        const meta = parseBody(one, request.body).meta
        item.metadata = { ...item.metadata, ...meta }
        return { status: 200, body: { meta } }
      },
    ],
    [
      'DELETE',
      `/${collection}/:id/metadata/:key`,
      (request) => {
        const item = find(request)
        const key = request.params['key'] ?? ''
        const { [key]: gone, ...rest } = item.metadata
        if (gone === undefined) throw missing(request, key)
        item.metadata = rest
        return { status: 200 }
      },
    ],
  ]
}
