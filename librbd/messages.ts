import type { ActName } from './acts.js'

/** What is asked of process.ts; `leave` closes everything and ends it. */
export interface Request {
  id: number
  act: ActName | 'leave'
  given: unknown
}

export type Reply =
  | { id: number; answer: unknown }
  /** `errno` is null for what is no failure of a cluster. */
  | { id: number; failure: { said: string; errno: number | null } }
