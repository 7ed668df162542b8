import type { Config } from '../config/config.js'
import type { Cloud } from '../openstack/open-cloud.js'
import { commandLog, type Cli } from './context.js'

export type { Cloud }

/** The configured cloud; loaded only by commands that need it. @throws CodedError `CK-CLOUD-CONFIG` */
export async function openCloud(cli: Cli, config: Config): Promise<Cloud> {
  const { openCloud: open } = await import('../openstack/open-cloud.js')
  const { env, cwd, home } = cli
  const place = { env, cwd, home, ...(config.cloud !== null && { name: config.cloud }) }
  return open(place, { log: commandLog(config), installation: config.installation })
}
