import type { PermitWanted } from '../../workflows/messages.js'
import type { PermitRequest } from '../../workflows/permit-messages.js'
import { ask, type PermitsState } from '../../workflows/permits-state.js'

export const pause = { by: 'ann', reason: 'new disks', at: '2026-11-25T02:00:00Z' }

let counter = 0
/** By an archive of its own. */
export function request(
  change: Partial<PermitRequest> & { scopes?: Record<string, number | null> } = {},
): PermitRequest {
  const { scopes = { all: 1 }, ...rest } = change
  const permits = Object.entries(scopes).map(([scope, limit]) => ({ scope, limit }))
  return { archive: `a${++counter}`, project: 'p', first: false, since: 0, permits, ...rest }
}

export function askAll(state: PermitsState, ...requests: PermitRequest[]): PermitRequest[] {
  for (const one of requests) ask(state, one)
  return requests
}

export const names = (granted: { archive: string }[]): string[] => granted.map(({ archive }) => archive)

export const uses = ({ permits }: { permits: PermitWanted[] }, scope: string): boolean =>
  permits.some((one) => one.scope === scope)
