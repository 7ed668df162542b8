import { homedir } from 'node:os'
import type { Config } from '../config/config.js'
import type { Environment } from '../config/environment.js'
import type { Log } from '../log/log.js'
import { openCloud, type Cloud } from '../openstack/open-cloud.js'

/** The configured cloud. Asks it nothing yet. @throws CodedError `CK-CLOUD-CONFIG` */
export async function openConfiguredCloud(config: Config, env: Environment, log: Log): Promise<Cloud> {
  const place = { env, cwd: process.cwd(), home: homedir(), ...(config.cloud !== null && { name: config.cloud }) }
  return openCloud(place, { log, installation: config.installation })
}
