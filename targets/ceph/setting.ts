import type { withHands } from '../../librbd/hands.js'
import type { Log } from '../../log/log.js'
import type { RbdAccess } from '../../source/rbd-access.js'
import type { Sources } from '../../source/source.js'
import type { CephTargetOptions } from '../options.js'
import type { CephPace } from './pace.js'

/** What every act of one `ceph` target works with. */
export interface CephSetting {
  /** The target's name in the configuration; part of every manifest. */
  name: string
  options: CephTargetOptions
  sources: Sources
  /** The UUID of this Cinderkeep: a manifest of another one is not ours. */
  installation: string
  log: Log
  /** Starts the process in which librbd is called. */
  withHands: typeof withHands
  /** Milliseconds since 1970. */
  now: () => number
  pace: CephPace
}

/** How the pool is reached by the user who writes, or by the one who removes. */
export function accessOf(
  { name, options }: Pick<CephSetting, 'name' | 'options'>,
  role: 'write' | 'remove',
): RbdAccess {
  const keyring = options.keyrings[role]
  return {
    conf: options.conf,
    user: options.users[role],
    ...(keyring !== undefined && { keyring }),
    pool: options.pool,
    parents: [],
    setting: `targets.${name}`,
  }
}
