import type { Limits } from '../../openstack/cinder.js'
import { fault, ok, warning, type Check, type Finding } from './check.js'

/** From this share on a quota is told as nearly used up. */
const nearly = 0.9

/** What our project may still make: the snapshots, volumes and backups of an archive are charged to it. */
export const quotasCheck: Check = {
  name: 'quotas',
  async run({ cloud, cinder }) {
    const { limits } = await cinder.need()
    return judgeQuotas(limits, (await cloud.need()).identity.projectName)
  },
}

export function judgeQuotas(limits: Limits, project: string): Finding[] {
  const quotas: [string, number, number][] = [
    ['volumes', limits.usedVolumes, limits.maxVolumes],
    ['snapshots', limits.usedSnapshots, limits.maxSnapshots],
    ['gigabytes', limits.usedGigabytes, limits.maxGigabytes],
    ['backups', limits.usedBackups, limits.maxBackups],
    ['backup_gigabytes', limits.usedBackupGigabytes, limits.maxBackupGigabytes],
  ]
  const findings = quotas.flatMap(([name, used, max]) => judgeQuota(name, used, max, project))
  const shown = quotas.map(([name, used, max]) => `${name} ${used}/${max < 0 ? '∞' : max}`)
  return findings.length > 0 ? findings : [ok(`project ${project} has room: ${shown.join(', ')}`)]
}

function judgeQuota(name: string, used: number, max: number, project: string): Finding[] {
  if (max < 0 || used < max * nearly) return []
  const cure = `Raise it (openstack quota set --${name.replace('_', '-')} N ${project}), or remove what fills it.`
  return used >= max
    ? [fault('CK-CLOUD-QUOTA', `the quota ${name} of project ${project} is used up: ${used} of ${max}`, cure)]
    : [warning('CK-CLOUD-QUOTA', `the quota ${name} of project ${project} is nearly used up: ${used} of ${max}`, cure)]
}
