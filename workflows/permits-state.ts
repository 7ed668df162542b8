/** Who holds a permit, who waits for one, and who is next. Pure: no timers, no activities. */
import type { PermitWanted } from './messages.js'
import type { Pause, PermitRequest, PermitsMemo, PermitsStatus } from './permit-messages.js'

/** A request that waited for this long keeps what it needs free, so that smaller ones cannot pass it for ever. */
export const patienceMs = 15 * 60_000
const tellAfterMs = [0, 5000, 15_000]
/** So many travel to the next run; the others ask again within minutes. What travels must fit into one payload. */
const carriedWaiting = 2000
/** So many holders travel, those without whom a limit would not hold first. */
const carriedHolders = 3000
/** Of so many projects it is remembered which one was served last. */
const rememberedProjects = 2000

export interface Holder extends Omit<PermitRequest, 'since'> {
  /** Milliseconds since the epoch. */
  grantedAt: number
  /** Found running by a run that remembers nothing: it holds, unless it asks. */
  presumed: boolean
}

export interface Waiting extends PermitRequest {
  /** What becomes free of its scopes is kept for it: its patience is at its end. */
  reserves: boolean
}

/** What `permits` carries from run to run. */
export interface PermitsState {
  holders: Holder[]
  waiting: Waiting[]
  /** Scope → limit, as the newest archive told it: the configuration may have changed. */
  limits: Record<string, number | null>
  paused: Record<string, Pause>
  /** Project → number of the grant that it got last. */
  served: Record<string, number>
  grants: number
  /** When running archives are to be told how it stands with a scope; milliseconds since the epoch, the next first. */
  tellings: { scope: string; at: number }[]
}

export function freshPermits(): PermitsState {
  return { holders: [], waiting: [], limits: {}, paused: {}, served: {}, grants: 0, tellings: [] }
}

/** @returns the holder when it was granted already: its answer may have been lost */
export function ask(state: PermitsState, request: PermitRequest): Holder | 'new' | 'waits' {
  const held = state.holders.find(({ archive }) => archive === request.archive)
  if (held?.presumed === false) return held
  state.holders = state.holders.filter((one) => one !== held)
  if (state.waiting.some(({ archive }) => archive === request.archive)) return 'waits'
  state.waiting.push({ ...request, reserves: false })
  // one that asks again was planned with what was configured then
  for (const { scope, limit } of request.permits) state.limits[scope] = limit
  return 'new'
}

export function give(state: PermitsState, archive: string): void {
  state.holders = state.holders.filter((one) => one.archive !== archive)
  state.waiting = state.waiting.filter((one) => one.archive !== archive)
}

/** Archives that run although nobody remembers them: they hold what they asked for, unless they asked meanwhile. */
export function adopt(state: PermitsState, found: (PermitsMemo & { archive: string })[], now: number): void {
  for (const { archive, project, first, permits } of found) {
    if ([...state.holders, ...state.waiting].some((one) => one.archive === archive)) continue
    state.holders.push({ archive, project, first, permits, grantedAt: now, presumed: true })
    for (const { scope, limit } of permits) state.limits[scope] ??= limit
  }
}

/** @returns whether anything changed; whoever paused first is remembered */
export function pauseScope(state: PermitsState, scope: string, pause: Pause, now: number): boolean {
  tellLater(state, scope, now)
  if (state.paused[scope] !== undefined) return false
  state.paused[scope] = pause
  return true
}

/** Also when it was not paused: an archive that missed the end of a pause goes on. */
export function resumeScope(state: PermitsState, scope: string, now: number): boolean {
  tellLater(state, scope, now)
  if (state.paused[scope] === undefined) return false
  state.paused = Object.fromEntries(Object.entries(state.paused).filter(([one]) => one !== scope))
  return true
}

/** Told again for archives that were planned before it was known, or that visibility does not list yet. */
function tellLater(state: PermitsState, scope: string, now: number): void {
  const others = state.tellings.filter((one) => one.scope !== scope)
  const own = tellAfterMs.map((after) => ({ scope, at: now + after }))
  state.tellings = [...others, ...own].sort((a, b) => a.at - b.at)
}

/**
 * Gives permits as long as anybody can use one:
 * - no scope over its limit, none that is paused, all scopes of a request at once;
 * - first who waited beyond patience and had something kept free; then the project with the fewest permits, then the one
 *   that was served longest ago, then the oldest request;
 * - first copies take no more than half of a limited scope while others could use it, and the reverse;
 * - nothing that could be used stays free, except what is kept for those whose patience is at its end.
 * @param most how many are given at once; who asks for fewer than all asks again
 */
export function grantAll(state: PermitsState, now: number, most = Infinity): Holder[] {
  const granted: Holder[] = []
  for (;;) {
    const next = granted.length < most ? pick(state, now) : null
    if (next === null) return granted
    const { archive, project, first, permits } = next
    const holder = { archive, project, first, permits, grantedAt: now, presumed: false }
    state.waiting = state.waiting.filter((one) => one !== next)
    state.holders.push(holder)
    state.grants += 1
    state.served[project] = state.grants
    granted.push(holder)
  }
}

function pick(state: PermitsState, now: number): Waiting | null {
  const free = freePlaces(state)
  const able = state.waiting.filter((one) => pausedOf(state, one).length === 0)
  const reserving = able.filter(({ reserves }) => reserves).sort((a, b) => a.since - b.since)
  const owed = reserving.find((one) => fullOf(one, free).length === 0)
  if (owed !== undefined) return owed
  const left = withoutReserved(free, reserving)
  const fitting = inTurn(
    state,
    able.filter((one) => fullOf(one, left).length === 0),
  )
  const next = fitting.find(withinShare(state, fitting)) ?? fitting[0]
  if (next === undefined) return null
  const passed = passedOver(state, next, { able, free, left, now })
  if (passed === null) return next
  // from now on it is kept in mind, and everything is looked at anew
  passed.reserves = true
  return pick(state, now)
}

/** Whose turn it is. This is done after every signal, for all that wait: so each project is looked up once. */
function inTurn({ holders, served }: PermitsState, waiting: Waiting[]): Waiting[] {
  const held = new Map<string, number>()
  for (const { project } of holders) held.set(project, (held.get(project) ?? 0) + 1)
  const groups = new Map<string, { held: number; served: number; members: Waiting[] }>()
  for (const one of waiting) {
    const of = { held: held.get(one.project) ?? 0, served: served[one.project] ?? 0 }
    // projects that were never served are equals
    const key = of.served === 0 ? `never ${of.held}` : `project ${one.project}`
    const group = groups.get(key)
    if (group === undefined) groups.set(key, { ...of, members: [one] })
    else group.members.push(one)
  }
  const ordered = [...groups.values()].sort((a, b) => a.held - b.held || a.served - b.served)
  return ordered.flatMap(({ members }) => members.sort((a, b) => a.since - b.since))
}

/** Half of a scope belongs to first copies and half to others; rounded up, so that nothing lies idle between them. */
function withinShare({ holders, limits }: PermitsState, candidates: Waiting[]): (one: Waiting) => boolean {
  const kind = (first: boolean, scope: string) => `${first ? 'first' : 'other'} ${scope}`
  const used = new Map<string, number>()
  for (const { first, permits } of holders) {
    for (const { scope } of permits) used.set(kind(first, scope), (used.get(kind(first, scope)) ?? 0) + 1)
  }
  const wanted = new Set(candidates.flatMap(({ first, permits }) => permits.map(({ scope }) => kind(first, scope))))
  return ({ first, permits }) =>
    permits.every(({ scope }) => {
      const limit = limits[scope] ?? null
      if (limit === null || !wanted.has(kind(!first, scope))) return true
      return (used.get(kind(first, scope)) ?? 0) < Math.ceil(limit / 2)
    })
}

/**
 * Somebody beyond patience whom this grant would pass over: it waits for another scope than these, and this is the
 * last place in one that it needs as well. One at a time for each scope that is waited for: more could not use it.
 */
function passedOver(
  state: PermitsState,
  next: Waiting,
  { able, free, left, now }: { able: Waiting[]; free: Places; left: Places; now: number },
): Waiting | null {
  const { holders } = state
  const awaited = new Set(able.filter(({ reserves }) => reserves).flatMap((one) => fullOf(one, free)))
  const passed = able.filter((one) => {
    if (one.reserves || one === next || now - one.since < patienceMs) return false
    const full = fullOf(one, free)
    if (full.length === 0 || full.some((scope) => awaited.has(scope) || uses(next, scope))) return false
    // who gives back what is awaited together with the last place would pass over nobody
    const apart = (scope: string) => holders.some((holder) => full.some((f) => uses(holder, f)) && !uses(holder, scope))
    return one.permits.some(({ scope }) => left.get(scope) === 1 && uses(next, scope) && apart(scope))
  })
  // where thousands have waited for long, projects still take turns
  return inTurn(state, passed)[0] ?? null
}

/** Scope → how many more may use it; a scope without a limit has no entry. */
type Places = Map<string, number>

function freePlaces({ holders, limits }: PermitsState): Places {
  const free: Places = new Map()
  for (const [scope, limit] of Object.entries(limits)) if (limit !== null) free.set(scope, limit)
  for (const { permits } of holders) take(free, permits)
  return free
}

function withoutReserved(free: Places, reserving: Waiting[]): Places {
  const left: Places = new Map(free)
  for (const { permits } of reserving) take(left, permits)
  return left
}

function take(places: Places, permits: PermitWanted[]): void {
  for (const { scope } of permits) {
    const left = places.get(scope)
    if (left !== undefined) places.set(scope, left - 1)
  }
}

function fullOf({ permits }: Pick<Waiting, 'permits'>, places: Places): string[] {
  return permits.map(({ scope }) => scope).filter((scope) => (places.get(scope) ?? 1) < 1)
}

function pausedOf({ paused }: PermitsState, { permits }: Pick<Waiting, 'permits'>): string[] {
  return permits.map(({ scope }) => scope).filter((scope) => paused[scope] !== undefined)
}

const uses = ({ permits }: Pick<Waiting, 'permits'>, scope: string): boolean =>
  permits.some((one) => one.scope === scope)

/** Why it waits, for people; empty when it does not. */
export function reasonsFor(state: PermitsState, archive: string): string[] {
  const request = state.waiting.find((one) => one.archive === archive)
  return request === undefined ? [] : reasonsOf(state, request, inTurn(state, state.waiting))
}

function reasonsOf(state: PermitsState, request: Waiting, ordered: Waiting[]): string[] {
  const paused = pausedOf(state, request).map((scope) => `${scope} is paused ${byWhom(state.paused[scope])}`)
  const full = fullOf(request, freePlaces(state)).map((scope) => {
    const holders = state.holders.filter((one) => uses(one, scope)).length
    return `${scope} is used by ${holders} of at most ${state.limits[scope] ?? holders}`
  })
  const reasons = [...paused, ...full]
  if (reasons.length === 0) reasons.push('what is free is kept for a request that waits longer')
  const before = ordered.indexOf(request)
  if (before > 0) reasons.push(`${before} of ${ordered.length} that wait are before it`)
  return reasons
}

export function byWhom(pause: Pause | undefined): string {
  const reason = pause?.reason ?? null
  return `by ${pause?.by ?? 'nobody'} since ${pause?.at ?? 'never'}${reason === null ? '' : `: ${reason}`}`
}

/** @param most how many of those that wait are listed */
export function statusOf(state: PermitsState, most: number): PermitsStatus {
  const ordered = inTurn(state, state.waiting)
  const scopesOf = ({ permits }: Pick<Waiting, 'permits'>) => permits.map(({ scope }) => scope)
  const iso = (at: number) => new Date(at).toISOString()
  return {
    paused: state.paused,
    limits: state.limits,
    holders: state.holders.map((one) => ({
      ...{ archive: one.archive, project: one.project, first: one.first },
      ...{ scopes: scopesOf(one), since: iso(one.grantedAt) },
    })),
    waitingInAll: state.waiting.length,
    waiting: ordered.slice(0, most).map((one) => ({
      ...{ archive: one.archive, project: one.project, first: one.first, scopes: scopesOf(one) },
      ...{ since: iso(one.since), reasons: reasonsOf(state, one, ordered) },
    })),
  }
}

/** For the next run: bounded, whatever waits. */
export function carry(state: PermitsState): PermitsState {
  const scopes = new Set([...state.holders, ...state.waiting].flatMap((one) => one.permits.map(({ scope }) => scope)))
  const known = Object.entries(state.served).sort(([, a], [, b]) => b - a)
  const isLimited = ({ permits }: Holder) => permits.some(({ scope }) => (state.limits[scope] ?? null) !== null)
  const limitedFirst = () => state.holders.toSorted((a, b) => Number(isLimited(b)) - Number(isLimited(a)))
  return {
    ...state,
    ...(state.holders.length > carriedHolders && { holders: limitedFirst().slice(0, carriedHolders) }),
    waiting: state.waiting.toSorted((a, b) => a.since - b.since).slice(0, carriedWaiting),
    limits: Object.fromEntries(Object.entries(state.limits).filter(([scope]) => scopes.has(scope))),
    served: Object.fromEntries(known.slice(0, rememberedProjects)),
  }
}
