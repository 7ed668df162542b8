import { randomUUID } from 'node:crypto'
import { z } from 'zod'
import { ApiError, notFound } from './api-error.js'
import { parseBody } from './bodies.js'
import type { Cloud } from './cloud.js'
import { requireAdmin } from './find.js'
import type { ApiRequest, Route } from './http.js'
import type { VolumeType } from './state.js'

/** By id or name. @throws 404 */
export function findType(cloud: Cloud, idOrName: string): VolumeType {
  const found =
    cloud.state.types.get(idOrName) ?? [...cloud.state.types.values()].find((candidate) => candidate.name === idOrName)
  if (found === undefined) throw new ApiError(404, `Volume type with name ${idOrName} could not be found.`)
  return found
}

const typeBody = z.object({
  volume_type: z.object({
    name: z.string().min(1),
    description: z.string().nullish(),
    extra_specs: z.record(z.string(), z.string()).optional(),
    'os-volume-type-access:is_public': z.boolean().optional(),
  }),
})

/** `GET`, `POST /types`. */
export function typeRoutes(cloud: Cloud): readonly Route[] {
  const shown = (request: ApiRequest, type: VolumeType): unknown => ({
    id: type.id,
    name: type.name,
    is_public: type.isPublic,
    description: type.description,
    // a member sees none of the backend's name
    extra_specs: request.caller.isAdmin ? type.extraSpecs : {},
    ...(request.caller.isAdmin ? { qos_specs_id: null } : {}),
    'os-volume-type-access:is_public': type.isPublic,
  })
  return [
    [
      'GET',
      '/types',
      (request) => ({
        status: 200,
        body: { volume_types: [...cloud.state.types.values()].map((type) => shown(request, type)) },
      }),
    ],
    [
      'GET',
      '/types/:id',
      (request) => {
        const id = request.params['id'] ?? ''
        const type = id === 'default' ? [...cloud.state.types.values()][0] : cloud.state.types.get(id)
        if (type === undefined) throw notFound('Volume type', id)
        return { status: 200, body: { volume_type: shown(request, type) } }
      },
    ],
    [
      'POST',
      '/types',
      (request) => {
        requireAdmin(request, 'volume_extension:type_create')
        const asked = parseBody(typeBody, request.body).volume_type
        if ([...cloud.state.types.values()].some((type) => type.name === asked.name)) {
          throw new ApiError(409, `Volume Type ${asked.name} already exists.`)
        }
        const type = {
          id: randomUUID(),
          name: asked.name,
          description: asked.description ?? null,
          isPublic: asked['os-volume-type-access:is_public'] ?? true,
          extraSpecs: asked.extra_specs ?? {},
        }
        cloud.state.types.set(type.id, type)
        return { status: 200, body: { volume_type: shown(request, type) } }
      },
    ],
  ]
}
