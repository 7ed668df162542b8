import { CodedError } from '../../errors/coded-error.js'
import type { Setting } from './setting.js'

/** Whether a `cinder-backup` service is up and enabled; `unknown` where we may not ask (it needs an admin). */
export async function backupServices({ cinder, log, name }: Setting): Promise<'up' | 'down' | 'unknown'> {
  try {
    const services = await cinder.listServices({ binary: 'cinder-backup' })
    return services.some((one) => one.state === 'up' && one.status === 'enabled') ? 'up' : 'down'
  } catch (error) {
    if (!(error instanceof CodedError)) throw error
    log.debug({ target: name, code: error.code }, 'services cannot be listed')
    return 'unknown'
  }
}

export function servicesDown(doing: string, cause?: unknown): CodedError {
  return new CodedError('CK-BACKUP-SERVICE-DOWN', `${doing}: no cinder-backup service is up`, {
    cure: 'Start cinder-backup (`openstack volume service list` shows it); it is tried again by itself.',
    cause,
  })
}
