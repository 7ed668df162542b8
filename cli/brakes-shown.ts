import type { Pause } from '../workflows/permit-messages.js'
import { ago } from './words.js'

/** What became of one scope that was named. */
export interface Braked {
  scope: string
  /** false: it was so already. */
  changed: boolean
}

/** How it stands with what was named, then with all else that is paused. */
export function brakesText(done: Braked[], paused: Record<string, Pause>): string {
  const now = Date.now()
  const named = done.map(({ scope, changed }) => {
    const pause = paused[scope]
    if (pause !== undefined) return `${scope}: ${changed ? 'paused' : 'was paused already'}${detail(pause, now)}`
    return `${scope}: ${changed ? 'goes on' : 'was not paused'}`
  })
  const others = Object.entries(paused)
    .filter(([scope]) => done.every((one) => one.scope !== scope))
    .map(([scope, pause]) => `${scope}: is still paused${detail(pause, now)}`)
  return [...named, ...others].join('\n')
}

function detail({ by, reason, at }: Pause, now: number): string {
  return ` by ${by}, ${ago(at, now)}${reason === null ? '' : `: ${reason}`}`
}

export function brakesJson(done: Braked[], paused: Record<string, Pause>): unknown {
  return { scopes: done, paused }
}
