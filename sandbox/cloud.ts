import type { Log } from '../log/log.js'
import type { BackupDriver } from './backup-driver.js'
import type { Faults, Work } from './faults.js'
import type { Load } from './load.js'
import type { Notifier } from './notify.js'
import type { State } from './state.js'

/** How long Cinder takes for what it does after its answer, in milliseconds. */
export type Delays = Partial<Record<Work, number>>

/** Who asks: Keystone's answer about the token, and the request's ids. */
export interface Caller {
  userId: string
  userName: string
  projectId: string
  projectName: string
  roles: string[]
  isAdmin: boolean
  /** `req-…`, ours */
  requestId: string
  /** `req-…`, the client's `X-Openstack-Request-Id`; null without one */
  globalRequestId: string | null
}

/** What every part of the sandbox is given. */
export interface Cloud {
  /** Where the volumes' files lie. */
  dir: string
  state: State
  faults: Faults
  notifier: Notifier
  driver: BackupDriver
  load: Load
  /** How large the file of a GiB is. */
  bytesPerGib: number
  delays: Delays
  log: Log
  /** `http://127.0.0.1:<port>`; known once it listens. */
  url: string
  /** How long a token lives, in seconds. */
  tokenSeconds: number
  /** Work that is under way; `close` waits for it. */
  running: Set<Promise<void>>
  timers: Set<NodeJS.Timeout>
  closed: boolean
}

/** The one backend: Cinder's `host@backend#pool`. */
export const volumeHost = 'sandbox@files#pool'
export const volumeBackend = 'sandbox@files'
export const serviceHost = 'sandbox'

/** Does what Cinder does after its answer: later, and with the faults that were asked for. */
export function later(
  cloud: Cloud,
  work: Work,
  does: { act: () => Promise<void> | void; fail: (reason: string) => void },
): void {
  const timer = setTimeout(() => {
    cloud.timers.delete(timer)
    const run = perform(cloud, work, does).finally(() => cloud.running.delete(run))
    cloud.running.add(run)
  }, cloud.delays[work] ?? 20)
  cloud.timers.add(timer)
}

async function perform(
  cloud: Cloud,
  work: Work,
  does: { act: () => Promise<void> | void; fail: (reason: string) => void },
): Promise<void> {
  const fault = cloud.faults.strike(['stuck', 'fail'], (candidate) => candidate.work === work)
  if (fault?.kind === 'stuck') return
  try {
    if (fault?.kind === 'fail') throw new Error(fault.reason ?? `the sandbox was asked to fail ${work}`)
    await does.act()
  } catch (error) {
    // the real services log it, set the object's status and go on; so here, and nothing is hidden: the log has it
    cloud.log.warn({ err: error, work }, `${work} failed`)
    does.fail(error instanceof Error ? error.message : String(error))
  }
}

/** `<dir>/volume-<id>`, the name that the `file` source reads. */
export const volumePath = (cloud: Pick<Cloud, 'dir'>, id: string): string => `${cloud.dir}/volume-${id}`
/** `<dir>/snapshot-<id>` */
export const snapshotPath = (cloud: Pick<Cloud, 'dir'>, id: string): string => `${cloud.dir}/snapshot-${id}`

/** Whether a cinder-backup service is up. */
export function backupServiceIsUp(cloud: Cloud): boolean {
  return cloud.faults.strike(['no-backup-service'], () => true) === undefined
}
