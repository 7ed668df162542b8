import type { Config } from '../config/config.js'
import type { Cinder } from '../openstack/cinder.js'
import type { Keystone } from '../openstack/keystone.js'
import { commandLog, type Cli } from './context.js'

export interface Cloud {
  cinder: Cinder
  keystone: Keystone
  close(): void
}

/** The configured cloud; loaded only by commands that need it. @throws CodedError `CK-CLOUD-CONFIG` */
export async function openCloud(cli: Cli, config: Config): Promise<Cloud> {
  const [{ cinder }, { loadCloud }, { keystone }, { connectCloud }] = await Promise.all([
    import('../openstack/cinder.js'),
    import('../openstack/clouds-yaml.js'),
    import('../openstack/keystone.js'),
    import('../openstack/session.js'),
  ])
  const { env, cwd, home } = cli
  const options = await loadCloud({ env, cwd, home, ...(config.cloud !== null && { name: config.cloud }) })
  const session = connectCloud(options, { log: commandLog(config), installation: config.installation })
  return {
    cinder: cinder(session),
    keystone: keystone(session),
    close: () => {
      session.close()
    },
  }
}
