/** Lists of any length, a page at a time. */
import { z } from 'zod'
import type { CinderCalls } from './cinder-call.js'
import { CloudError, isCloudError } from './errors.js'
import type { CloudRequest } from './session.js'

/** Cinder gives 1000 at most; half of that keeps one answer within a second or two on a busy API. */
const usualPageSize = 500

export interface Collection<T> {
  /** Its name in the answer: `volumes` of `/volumes/detail`. */
  name: string
  path: string
  query: NonNullable<CloudRequest['query']>
  item: z.ZodType<T>
  /** Ids of items in their order: the list begins behind the last one that still exists, or at its start. */
  after?: string[]
  /** Where the items are so large that fewer of them fill an answer. */
  pageSize?: number
  /** For errors; Cinder. */
  service?: string
}

/**
 * All items of a collection, each once, whatever is made or deleted meanwhile. The next page is asked for by the last
 * id: the address in `…_links` is wrong behind many proxies, only its being there is believed.
 * @throws CloudError `CK-CLOUD-ANSWER-INVALID` when the server sends the same page again
 */
export async function* pages<T extends { id: string }>(
  calls: Pick<CinderCalls, 'read'>,
  collection: Collection<T>,
): AsyncGenerator<T> {
  const { name, path, pageSize = usualPageSize, service = 'Cinder' } = collection
  const shape = z.object({ [name]: z.array(collection.item), [`${name}_links`]: links })
  const ask = async (marker?: string) => {
    const query = { ...collection.query, limit: pageSize, marker }
    const body: Record<string, unknown> = await calls.read(shape, { method: 'GET', path, query })
    return { items: body[name] as T[], links: body[`${name}_links`] as z.output<typeof links> }
  }
  const seen = new Set<string>()
  let page = await askFrom(collection.after ?? [], ask)
  for (;;) {
    const fresh = page.items.filter((item) => !seen.has(item.id))
    for (const item of fresh) {
      seen.add(item.id)
      yield item
    }
    const next = page.links?.some((link) => link.rel === 'next') ?? false
    // some servers send no links
    if (page.items.length === 0 || !(next || page.items.length >= pageSize)) return
    if (fresh.length === 0) {
      throw new CloudError('CK-CLOUD-ANSWER-INVALID', 'the list does not move on: the server ignores marker', {
        service,
        method: 'GET',
        path,
        requestId: 'none',
      })
    }
    page = await askAfter(
      page.items.map((item) => item.id),
      ask,
    )
  }
}

const links = z.array(z.object({ rel: z.string() })).nullish()

/** A place that is no more costs only time: everything is listed again. */
async function askFrom<P>(after: string[], ask: (marker?: string) => Promise<P>): Promise<P> {
  if (after.length === 0) return ask()
  try {
    return await askAfter(after, ask)
  } catch (error) {
    if (!after.some((marker) => isMarkerGone(error, marker))) throw error
    return ask()
  }
}

/** The last item may have been deleted since: then the one before it marks the place. */
async function askAfter<P>(ids: string[], ask: (marker: string) => Promise<P>): Promise<P> {
  let failure: unknown
  for (const marker of ids.toReversed()) {
    try {
      return await ask(marker)
    } catch (error) {
      if (!isMarkerGone(error, marker)) throw error
      failure = error
    }
  }
  throw failure
}

function isMarkerGone(error: unknown, marker: string): boolean {
  if (!isCloudError(error, 'CK-CLOUD-NOT-FOUND', 'CK-CLOUD-BAD-REQUEST')) return false
  return error.fault !== null && error.said !== null && (error.said.includes(marker) || /marker/i.test(error.said))
}
