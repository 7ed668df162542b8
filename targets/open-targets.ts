import { withHands } from '../librbd/hands.js'
import type { Log } from '../log/log.js'
import type { Cinder } from '../openstack/cinder.js'
import type { Sources } from '../source/source.js'
import { defaultPatience, type Patience } from './cinder-backup/abandoned.js'
import { cinderBackup } from './cinder-backup/cinder-backup.js'
import { cephTarget } from './ceph/ceph.js'
import { defaultPace, type CephPace } from './ceph/pace.js'
import { realSleep, type Sleep } from './cinder-backup/setting.js'
import type { TargetsOptions } from './options.js'
import type { Target } from './target.js'
import { zoneOf } from './zone-of.js'

export interface TargetDependencies {
  cinder: Cinder
  sources: Sources
  /** The UUID of this Cinderkeep. */
  installation: string
  log: Log
  /** How to wait between two looks; for tests, which need not. */
  sleep?: Sleep
  /** How late it is; for tests whose time does not pass. */
  now?: () => number
  /** How long what Cinder seems to have forgotten is waited for; for tests. */
  patience?: Partial<Patience>
  /** How long the steps of a copy to another Ceph cluster are; for tests. */
  cephPace?: Partial<CephPace>
  /** What acts on Ceph clusters; for tests that do something in between. */
  withHands?: typeof withHands
}

/** The configured targets by name. Touches nothing: what is wrong with one shows when it is used. */
export function openTargets(options: TargetsOptions, dependencies: TargetDependencies): Map<string, Target> {
  const { cinder, sources, installation, log, sleep = realSleep, now = Date.now } = dependencies
  const common = {
    cinder,
    sources,
    installation,
    sleep,
    now,
    patience: { ...defaultPatience, ...dependencies.patience },
  }
  const hands = dependencies.withHands ?? withHands
  const cephPace = { ...defaultPace, ...dependencies.cephPace }
  return new Map(
    Object.entries(options).map(([name, one]) => {
      const own = { name, log: log.child({ target: name }) }
      const zone = zoneOf(one, sources.zones)
      const target =
        one.kind === 'ceph'
          ? cephTarget({ ...own, options: one, sources, installation, now, pace: cephPace, withHands: hands })
          : cinderBackup({ ...common, ...own, options: one })
      return [name, zone === undefined ? target : { ...target, zone }]
    }),
  )
}
