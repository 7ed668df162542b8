import type { Config } from '../config/config.js'
import type { Environment } from '../config/environment.js'
import type { Log } from '../log/log.js'
import type { Cinder } from '../openstack/cinder.js'
import { cinder } from '../openstack/cinder.js'
import { loadCloud } from '../openstack/clouds-yaml.js'
import type { Keystone } from '../openstack/keystone.js'
import { keystone } from '../openstack/keystone.js'
import { connectCloud } from '../openstack/session.js'
import { homedir } from 'node:os'

export interface Cloud {
  cinder: Cinder
  keystone: Keystone
  /** Ends its connections. */
  close(): void
}

/** The configured cloud. Asks it nothing yet. @throws CodedError `CK-CLOUD-CONFIG` */
export async function openCloud(config: Config, env: Environment, log: Log): Promise<Cloud> {
  const place = { env, cwd: process.cwd(), home: homedir() }
  const options = await loadCloud(config.cloud === null ? place : { ...place, name: config.cloud })
  const session = connectCloud(options, { log, installation: config.installation })
  return {
    cinder: cinder(session),
    keystone: keystone(session),
    close: () => {
      session.close()
    },
  }
}
