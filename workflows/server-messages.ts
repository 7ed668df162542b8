/** What travels between a server's workflow, the archives of its volumes, and those who tell of it. */
import { defineSignal } from '@temporalio/workflow'
import type { FreezeMember, FrozenSnapshot } from './freeze-messages.js'

/** One for each server of which something is to be done now; short-lived. */
export const serverWorkflowId = (serverId: string): string => `server/${serverId}`
/** Which capture of a server a volume's capture belongs to. */
export const groupId = (serverId: string, capture: string): string => `${serverId}/${capture}`

/** An archive that waits for the capture of its volume's server. */
export interface GroupMember extends FreezeMember {
  policy: string
  /** Whether the server's other volumes are told to be archived too. */
  calls: boolean
}
export const joinSignal = defineSignal<[GroupMember]>('join')
/** An archive that waits no longer. */
export const leaveSignal = defineSignal<[{ archive: string }]>('leave')

/** A notification about the server: each of its volumes is told. */
export interface ServerHint {
  messageId: string
  event: string
}
export const serverHintSignal = defineSignal<[ServerHint[]]>('serverHint')

/** Told to each archive of the group when its server was captured, or could not be. */
export interface Captured {
  group: string
  /** The volumes that were captured under one freeze with it, or one after the other where nobody was frozen; empty: the others were frozen without it. */
  members: string[]
  /** This volume's snapshot; null: it was not frozen while it was taken, or there is none. */
  frozen: FrozenSnapshot | null
  /** Nova made the snapshot: it is Cinder's, whatever was planned. */
  byNova: boolean
  /** Why it was not frozen, and who is missing; for people. */
  reasons: string[]
}
export const capturedSignal = defineSignal<[Captured]>('captured')

/** What became of a capture of a server; a run's result has one for each. */
export interface ServerReport {
  captures: { group: string; members: string[]; frozen: number; reasons: string[] }[]
}
