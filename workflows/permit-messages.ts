/** What travels between `permits/all`, archives and those who pause and resume. */
import { defineQuery, defineSignal, defineUpdate } from '@temporalio/workflow'
import type { PermitWanted } from './messages.js'

/** What an archive's memo tells of the permits that it asked for, so that `permits` can be rebuilt. */
export type PermitsMemo = Omit<PermitRequest, 'archive' | 'since'>

/** One archive wants to use all of these scopes at once; asking twice is asking once. */
export interface PermitRequest {
  archive: string
  /** Projects are served in turn. */
  project: string
  /** A first copy is large: first copies and others share a scope. */
  first: boolean
  /** Since when it waits, milliseconds since the epoch. */
  since: number
  permits: PermitWanted[]
}

/** An archive → `permits`: asks, or asks again. */
export const permitRequestedSignal = defineSignal<[PermitRequest]>('permitRequested')
/** An archive → `permits`: it uses nothing any more, or no longer wants to. */
export const permitReleasedSignal = defineSignal<[{ archive: string }]>('permitReleased')
/** `permits` → an archive: all that it asked for is its own. */
export const permitGrantedSignal = defineSignal('permitGranted')
/** `permits` → an archive: nothing is known of who waits; whoever does asks again. */
export const askAgainSignal = defineSignal('askAgain')

/** `permits` → every archive: a scope is paused, or no more. */
export interface Brake {
  scope: string
  /** null: go on. */
  paused: Pause | null
}
export const brakeSignal = defineSignal<[Brake]>('brake')

/** Who stopped work on a scope, and why. */
export interface Pause {
  by: string
  reason: string | null
  /** ISO 8601 */
  at: string
}
/** `changed` is false when it was so already; who paused it first then stays. */
export const pauseUpdate = defineUpdate<{ changed: boolean }, [{ scope: string; by: string; reason: string | null }]>(
  'pause',
)
export const resumeUpdate = defineUpdate<{ changed: boolean }, [{ scope: string }]>('resume')

/** The scopes that are paused also lie in the memo of `permits/all` under this name: read without any worker. */
export const pausedMemo = 'paused'

export interface PermitsStatus {
  paused: Record<string, Pause>
  /** As told by the newest request; null: no limit. */
  limits: Record<string, number | null>
  holders: { archive: string; project: string; first: boolean; scopes: string[]; since: string }[]
  /** How many wait; `waiting` lists the first 200. */
  waitingInAll: number
  waiting: { archive: string; project: string; first: boolean; scopes: string[]; since: string; reasons: string[] }[]
}
export const permitsQuery = defineQuery<PermitsStatus>('permitsState')
/** Why an archive waits, for people; empty when it does not. */
export const permitReasonsQuery = defineQuery<string[], [string]>('permitReasons')
