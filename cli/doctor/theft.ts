import type { Config } from '../../config/config.js'
import type { Identity } from '../../openstack/token.js'
import { CannotLook, ok, warning, type Check, type Finding } from './check.js'

/**
 * What whoever stole one of our processes could destroy, and whether any copy would be left. No setting is looked for that
 * would forbid it: what the identity may do is what counts.
 */
export const theftCheck: Check = {
  name: 'theft',
  async run({ config, cloud }) {
    return judgeTheft((await cloud.need()).identity, config.targets)
  },
}

export function judgeTheft({ userName, projectName, roles }: Identity, targets: Config['targets']): Finding[] {
  const names = Object.keys(targets)
  if (names.length === 0) throw new CannotLook('there are no targets (see configuration)')
  // backups lie behind the cloud's own identity; both keys of a Ceph pool, also the one that removes, lie on movers
  const reached = names.filter((name) => ['cinder-backup', 'ceph'].includes(targets[name]?.kind ?? ''))
  const all = roles.includes('admin')
    ? 'every volume, snapshot and backup of the cloud'
    : `every volume, snapshot and backup of project ${projectName}`
  const copies = reached.length === 0 ? '' : `, and with them all copies on ${reached.join(', ')}`
  const what = `whoever steals one control worker or mover is ${userName}, and can delete ${all}${copies}`
  const alone =
    'The Temporal namespace alone lets nobody remove a finished copy, and the listener needs no cloud identity.'
  if (reached.length < names.length) return [ok(`${what}; the other targets would survive. ${alone}`)]
  return [
    warning(
      'CK-NO-TARGET-SURVIVES',
      `${what}: no target would survive. ${alone}`,
      'Guard hosts of workers and movers like controllers, give listeners no OS_* and no clouds.yaml, and keep a copy of what ' +
        'copies are stored on where neither this identity nor the movers’ Ceph keys reach.',
    ),
  ]
}
