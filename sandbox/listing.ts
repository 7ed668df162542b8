import { badRequest, notFound } from './api-error.js'
import type { ApiRequest } from './http.js'

/** `osapi_max_limit`. */
const maxLimit = 1000

interface Listed {
  id: string
  projectId: string | null
  createdAt: string
}

/** How one collection is listed. `filters` maps the allowed names to whether an item passes. */
export interface Listing<T extends Listed> {
  collection: 'volumes' | 'snapshots' | 'backups'
  items: Iterable<T>
  filters: Record<string, (item: T, value: string, like: boolean) => boolean>
  sort: Record<string, (item: T) => string | number>
  detail: boolean
  show: (item: T) => unknown
}

const notFilters = new Set(['all_tenants', 'limit', 'marker', 'offset', 'sort', 'sort_key', 'sort_dir', 'with_count'])

/** Filters, sorts (newest first), pages by marker, and adds `<collection>_links` when the page is full. */
export function listed<T extends Listed>(request: ApiRequest, listing: Listing<T>): Record<string, unknown> {
  const { query, caller } = request
  const allProjects = caller.isAdmin && isTrue(query.get('all_tenants'))
  const wantedProject = allProjects ? query.get('project_id') : caller.projectId
  const visible = [...listing.items].filter((item) => wantedProject === null || item.projectId === wantedProject)
  refuseFilters(request, listing)
  const passing = visible.filter((item) => passes(request, listing, item))
  const sorted = sortBy(request, listing, passing)
  const marker = query.get('marker')
  const start = marker === null ? -1 : sorted.findIndex((item) => item.id === marker)
  if (marker !== null && start === -1) {
    throw notFound(`${listing.collection.charAt(0).toUpperCase()}${listing.collection.slice(1, -1)}`, marker)
  }
  const offset = numberOf(query.get('offset'), 'offset') ?? 0
  const limit = Math.min(numberOf(query.get('limit'), 'limit') ?? maxLimit, maxLimit)
  const page = sorted.slice(start + 1 + offset, start + 1 + offset + limit)
  const last = page.at(-1)
  return {
    [listing.collection]: page.map((item) => listing.show(item)),
    ...(last !== undefined && page.length >= limit
      ? { [`${listing.collection}_links`]: [{ rel: 'next', href: nextLink(request, listing, last.id) }] }
      : {}),
    ...(request.minor >= 45 && isTrue(query.get('with_count')) ? { count: passing.length } : {}),
  }
}

function nextLink<T extends Listed>(request: ApiRequest, listing: Listing<T>, marker: string): string {
  const query = new URLSearchParams(request.query)
  query.set('marker', marker)
  const tail = listing.detail ? `${listing.collection}/detail` : listing.collection
  return `${request.base}/v3/${request.caller.projectId}/${tail}?${query.toString()}`
}

/**
 * An unknown filter of a member is refused from 3.31 on and dropped before that. Debian's resource_filters.json has no
 * `name~`, so only an admin may use it (api/common.py, reject_invalid_filters).
 */
function refuseFilters<T extends Listed>(request: ApiRequest, listing: Listing<T>): void {
  if (request.caller.isAdmin || request.minor < 31) return
  const wrong = [...request.query.keys()].filter((name) => !notFilters.has(name) && listing.filters[name] === undefined)
  if (wrong.length > 0) throw badRequest(`Invalid filters ${wrong.join(',')} are found in query options.`)
}

function passes<T extends Listed>(request: ApiRequest, listing: Listing<T>, item: T): boolean {
  for (const [given, value] of request.query) {
    if (notFilters.has(given) || (given === 'project_id' && request.caller.isAdmin)) continue
    const like = given.endsWith('~')
    const name = like ? given.slice(0, -1) : given
    const filter = listing.filters[name]
    // an unknown filter finds nothing for an admin
    if (filter === undefined || (like && (request.minor < 34 || !request.caller.isAdmin))) {
      if (request.caller.isAdmin) return false
      continue
    }
    if (!filter(item, value, like)) return false
  }
  return true
}

function sortBy<T extends Listed>(request: ApiRequest, listing: Listing<T>, items: T[]): T[] {
  const sort = request.query.get('sort')
  const [key = 'created_at', direction = 'desc'] =
    sort === null
      ? [request.query.get('sort_key') ?? 'created_at', request.query.get('sort_dir') ?? 'desc']
      : (sort.split(',')[0] ?? '').split(':')
  const value = listing.sort[key] ?? (key === 'created_at' ? (item: T) => item.createdAt : undefined)
  if (value === undefined) throw badRequest('Invalid input received: Invalid sort key')
  const sign = direction === 'asc' ? 1 : -1
  const compare = (a: string | number, b: string | number): number => (a < b ? -1 : a > b ? 1 : 0)
  return items.toSorted((a, b) => sign * (compare(value(a), value(b)) || compare(a.id, b.id)))
}

function numberOf(text: string | null, name: string): number | undefined {
  if (text === null) return undefined
  if (!/^\d+$/.test(text)) throw badRequest(`${name} param must be an integer`)
  return Number(text)
}

/** The strings that oslo's `bool_from_string` takes for true. */
export const isTrue = (text: string | null): boolean => /^(1|t|true|on|y|yes)$/i.test(text ?? '')

/** Exact, or a substring for `name~`. */
export const matchesText = (actual: string | null, wanted: string, like: boolean): boolean =>
  like ? (actual ?? '').includes(wanted) : actual === wanted

/** `metadata={"key": "value"}`, also with Python's quotes. */
export function matchesMetadata(actual: Record<string, string>, wanted: string): boolean {
  let parsed: unknown
  try {
    parsed = JSON.parse(wanted.replaceAll(/u?'/g, '"'))
  } catch {
    throw badRequest(`metadata filter ${wanted} is no dictionary`)
  }
  if (typeof parsed !== 'object' || parsed === null) return false
  return Object.entries(parsed).every(([key, value]) => actual[key] === value)
}
