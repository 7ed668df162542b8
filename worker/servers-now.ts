import type { Log } from '../log/log.js'
import { isCloudError } from '../openstack/errors.js'
import type { Nova } from '../openstack/nova.js'
import { orNull } from '../openstack/or-null.js'

/**
 * Nova's status of a server; null where there is no such server, it may not be seen, or Nova does not answer: a volume is
 * then captured as one in use, and its archive does not hang on Nova.
 */
export function serverStatus(nova: Pick<Nova, 'getServer'>, log: Log) {
  return async (serverId: string): Promise<string | null> => {
    try {
      return (await nova.getServer(serverId)).status
    } catch (err) {
      if (!isCloudError(err, 'CK-SERVER-GONE'))
        log.warn({ server: serverId, err }, 'cannot tell whether the server runs')
      return null
    }
  }
}

/** Ids of the volumes that are attached to a server; none where there is no such server. */
export function serverVolumes(nova: Pick<Nova, 'getServer'>) {
  return async (serverId: string): Promise<string[]> => {
    const server = await orNull('CK-SERVER-GONE', async () => nova.getServer(serverId))
    return server?.volumeIds ?? []
  }
}
