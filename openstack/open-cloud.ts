import type { Log } from '../log/log.js'
import { cinder, type Cinder } from './cinder.js'
import { loadCloud, type CloudPlace } from './clouds-yaml.js'
import { glance, type Glance } from './glance.js'
import { keystone, type Keystone } from './keystone.js'
import { nova, type Nova } from './nova.js'
import { connectCloud, type CloudSession } from './session.js'

export interface Cloud {
  session: CloudSession
  cinder: Cinder
  keystone: Keystone
  nova: Nova
  glance: Glance
  /** Ends its connections. */
  close(): void
}

/** The services of the cloud that `place` names. Asks it nothing yet. @throws CodedError `CK-CLOUD-CONFIG` */
export async function openCloud(place: CloudPlace, deps: { log: Log; installation: string }): Promise<Cloud> {
  const session = connectCloud(await loadCloud(place), deps)
  return {
    session,
    cinder: cinder(session),
    keystone: keystone(session),
    nova: nova(session),
    glance: glance(session),
    close: () => {
      session.close()
    },
  }
}
