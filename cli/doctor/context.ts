import type { Client } from '@temporalio/client'
import type { Config } from '../../config/config.js'
import type { BrokerConnection } from '../../listener/connect.js'
import type { Log } from '../../log/log.js'
import type { Cinder, Limits } from '../../openstack/cinder.js'
import type { Glance } from '../../openstack/glance.js'
import type { Keystone } from '../../openstack/keystone.js'
import type { MicroversionRange } from '../../openstack/microversion.js'
import type { CloudSession } from '../../openstack/session.js'
import type { Identity } from '../../openstack/token.js'
import type { ApplyPlan } from '../../worker/schedules.js'
import type { Shared } from './shared.js'

/** The cloud, once Keystone has accepted us. */
export interface CloudInHand {
  session: CloudSession
  keystone: Keystone
  identity: Identity
  authUrl: string
}

/** Cinder, once it has answered. */
export interface CinderInHand {
  cinder: Cinder
  url: string
  microversions: MicroversionRange
  limits: Limits
}

/** Temporal, once our namespace is found. */
export interface TemporalInHand {
  client: Client
  address: string
  namespace: string
  /** How long closed workflows are kept; null: it does not say. */
  retentionDays: number | null
}

/** What checks look through. Each thing is reached once, by whoever asks first. */
export interface DoctorContext {
  config: Config
  /** Milliseconds since the epoch: our clock. */
  now: () => number
  log: Log
  /** Aborted when the check's time is over. */
  signal: AbortSignal
  nodeVersion: string
  cloud: Shared<CloudInHand>
  cinder: Shared<CinderInHand>
  /** Once it has shown us our images. */
  glance: Shared<Glance>
  broker: Shared<BrokerConnection>
  temporal: Shared<TemporalInHand>
  /** What `policy apply` would change: nothing, where all is well. */
  plan: Shared<ApplyPlan>
  /**
   * Whether `cinderkeep run` ever ran here, as far as Temporal tells. What it makes at its first start (queue, attributes,
   * schedules) is missed before only as a warning, so that `doctor` can be asked first.
   */
  started: () => Promise<boolean>
}
