/** Glance's images, as far as Nova makes them of volume-backed servers: properties and no bytes. */
import { z } from 'zod'
import { readAs } from './answer.js'
import { CloudError, isCloudError } from './errors.js'
import { id, maybe, text } from './fields.js'
import type { CloudSession } from './session.js'

export interface Image {
  id: string
  name: string
  /** `queued`, `saving`, `active`, `deleted`, … */
  status: string
  /** UTC, ends in `Z`. */
  createdAt: string
  /** Null while it is being made. */
  sizeBytes: number | null
  /** All that are texts, Glance's own fields among them. */
  properties: Record<string, string>
}

export interface Glance {
  /** Images of this name that the session's project owns: never another's that is public or shared. Oldest first. */
  ownImages(name: string): Promise<Image[]>
  /** Done when Glance does not find it: its 404 cannot be told from a proxy's, so look afterwards where it matters. */
  deleteImage(imageId: string): Promise<void>
}

const pageSize = 100

const image = z
  .looseObject({
    id,
    name: text,
    status: z.string().min(1),
    owner: maybe,
    created_at: z.string(),
    size: z.number().nullish(),
  })
  .transform(({ owner, ...raw }) => ({
    owner,
    image: {
      id: raw.id,
      name: raw.name,
      status: raw.status,
      createdAt: raw.created_at,
      sizeBytes: raw.size ?? null,
      properties: Object.fromEntries(
        Object.entries(raw).filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
      ),
    } satisfies Image,
  }))
const page = z.object({ images: z.array(image), next: z.string().nullish() })

export function glance(session: CloudSession): Glance {
  return {
    async ownImages(name) {
      const owner = await session.projectId()
      const found = new Map<string, Image>()
      let marker: string | undefined
      for (;;) {
        const query = { name, owner, limit: pageSize, marker }
        const answer = await session.request('image', { method: 'GET', path: '/images', query })
        const { images, next } = readAs(page, answer.body, answer.call)
        const last = images.at(-1)?.image.id
        // a filter that was ignored must never lead to another's image
        for (const one of images) if (one.owner === owner && one.image.name === name) found.set(one.image.id, one.image)
        if (!next || last === undefined) return [...found.values()].sort(byAge)
        if (last === marker) {
          throw new CloudError(
            'CK-CLOUD-ANSWER-INVALID',
            'the list does not move on: the server ignores marker',
            answer.call,
          )
        }
        marker = last
      }
    },

    async deleteImage(imageId) {
      try {
        await session.request('image', { method: 'DELETE', path: `/images/${imageId}` })
      } catch (error) {
        if (!isCloudError(error, 'CK-CLOUD-NOT-FOUND')) throw error
      }
    },
  }
}

const byAge = (a: Image, b: Image): number => a.createdAt.localeCompare(b.createdAt) || a.id.localeCompare(b.id)

const mapped = z.array(z.object({ snapshot_id: maybe }))

/**
 * The snapshots that an image of a volume-backed server stands for: its property `block_device_mapping`, which is JSON.
 * Null: there is none that can be read, so it is no such image.
 */
export function snapshotsOfImage({ properties }: Image): string[] | null {
  const mapping = properties['block_device_mapping']
  if (mapping === undefined) return null
  try {
    return mapped
      .parse(JSON.parse(mapping))
      .flatMap(({ snapshot_id: snapshot }) => (snapshot === null ? [] : [snapshot]))
  } catch {
    return null
  }
}
