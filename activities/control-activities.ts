/** The acts of the control worker: REST calls only, no bytes, and no target that only movers reach. One file an act. */
import type { WorkflowClient } from '@temporalio/client'
import type { Policy } from '../policy/policy.js'
import type { Pace } from '../workflows/messages.js'
import { assessVolume } from './assess.js'
import { awaitArchive } from './await-archive.js'
import { beginRebuild } from './begin-rebuild.js'
import { callMembers } from './call-members.js'
import { captureByNova } from './capture-by-nova.js'
import { endedArchives } from './ended-archives.js'
import { findHolders } from './find-holders.js'
import { findMembers } from './find-members.js'
import { findMovers } from './find-movers.js'
import { hintServer } from './hint-server.js'
import { joinServer } from './join-server.js'
import { locateServer } from './locate-server.js'
import { moveActivities, type MoveDeps } from './move-activities.js'
import type { NovaDeps } from './nova-leftovers.js'
import type { PermitLimits } from './permits-of.js'
import { planFreeze } from './plan-freeze.js'
import { planVerify } from './plan-verify.js'
import { reconcile } from './reconcile.js'
import { releaseByNova } from './release-by-nova.js'
import { requestPermit } from './request-permit.js'
import { runPolicy } from './run-policy.js'
import { tellBrakes } from './tell-brakes.js'
import { undoArchive } from './undo-archive.js'

/** What the acts need; built once a process. */
export interface Deps extends MoveDeps, Pick<NovaDeps, 'nova' | 'glance' | 'patienceMs'> {
  policies: Policy[]
  /** SHA-256 of the policies, hex. */
  policyHash: string
  pace: Pace
  internalProjectId: string | null
  /** The project's name; null where it may not be read. */
  projectName(id: string): Promise<string | null>
  /** The server's name; null where there is no such server, or it may not be seen. Remembered for some minutes. */
  serverName(id: string): Promise<string | null>
  /** Hash of the policies that were applied last in the namespace; null: none ever were. Remembered for some seconds. */
  appliedPolicyHash(): Promise<string | null>
  /** Ids of the volumes that Nova has attached to a server; none where there is no such server. */
  serverVolumes(serverId: string): Promise<string[]>
  /** Whether an agent serves a hypervisor now. */
  agentServes(hypervisor: string): Promise<boolean>
  /** How long an agent may keep a guest frozen; seconds. */
  freezeLimitSeconds: number
  limits: PermitLimits
  /** Scopes on which somebody stopped all work (`all`, `target:…`, `backend:…`); cached some seconds. */
  pausedScopes(): Promise<string[]>
  workflows: WorkflowClient
}

export type ControlActivities = ReturnType<typeof controlActivities>

export function controlActivities(deps: Deps) {
  return {
    // targets of which no byte passes through us are written, listed and marked from here too
    ...moveActivities(deps),
    assess: assessVolume(deps),
    beginRebuild: beginRebuild(deps),
    awaitArchive: awaitArchive(deps),
    undoArchive: undoArchive(deps),
    captureByNova: captureByNova(deps),
    releaseByNova: releaseByNova(deps),
    requestPermit: requestPermit(deps),
    findHolders: findHolders(deps),
    findMovers: findMovers(deps),
    endedArchives: endedArchives(deps),
    tellBrakes: tellBrakes(deps),
    planFreeze: planFreeze(deps),
    locateServer: locateServer(deps),
    joinServer: joinServer(deps),
    findMembers: findMembers(deps),
    callMembers: callMembers(deps),
    hintServer: hintServer(deps),
    planVerify: planVerify(deps),
    runPolicy: runPolicy(deps),
    reconcile: reconcile(deps),
  }
}
