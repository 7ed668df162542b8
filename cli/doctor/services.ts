import type { Service } from '../../openstack/cinder.js'
import { isCloudError } from '../../openstack/errors.js'
import { count } from '../words.js'
import { CannotLook, fault, ok, warning, type Check, type Finding } from './check.js'

/** Cinder's own services: who makes snapshots and volumes, and who makes backups. */
export const servicesCheck: Check = {
  name: 'services',
  async run({ config, cinder }) {
    const { cinder: calls } = await cinder.need()
    // every kind of target that there is today needs it
    const needsBackup = Object.keys(config.targets).length > 0
    try {
      return judgeServices(await calls.listServices(), needsBackup)
    } catch (error) {
      if (isCloudError(error, 'CK-CLOUD-FORBIDDEN')) throw new CannotLook('services may not be listed (see rights)')
      throw error
    }
  },
}

/** @param needsBackup a target is of kind cinder-backup */
export function judgeServices(services: Service[], needsBackup: boolean): Finding[] {
  return [
    ...(needsBackup ? judge(services, 'cinder-backup', 'CK-BACKUP-SERVICE-DOWN') : []),
    ...judge(services, 'cinder-volume', 'CK-CINDER-SERVICE-DOWN'),
    ...judge(services, 'cinder-scheduler', 'CK-CINDER-SERVICE-DOWN'),
  ]
}

function judge(services: Service[], binary: string, code: `CK-${string}`): Finding[] {
  const all = services.filter((one) => one.binary === binary)
  const works = all.filter(({ state, status }) => state === 'up' && status === 'enabled')
  const cure = `Start it, or enable it (openstack volume service set --enable HOST ${binary}); its log says why it ended.`
  if (works.length === 0) {
    const known = all.map(({ host, state, status }) => `${host} is ${state} and ${status}`)
    return [fault(code, `no ${binary} works: ${known.join(', ') || 'none is known to Cinder'}`, cure)]
  }
  const down = all.filter((one) => !works.includes(one))
  return [
    ok(`${count(works.length, `${binary} works`, `${binary} work`)}: ${works.map(({ host }) => host).join(', ')}`),
    ...down.map(({ host, state, status }) => warning(code, `${binary} on ${host} is ${state} and ${status}`, cure)),
  ]
}
