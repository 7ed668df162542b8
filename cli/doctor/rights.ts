import { isCloudError } from '../../openstack/errors.js'
import type { CloudSession } from '../../openstack/session.js'
import type { Identity } from '../../openstack/token.js'
import { fault, findingOf, ok, warning, type Check, type Finding } from './check.js'

/** What we must be allowed, and what it is for. Each is one GET. */
const needs = [
  {
    path: '/os-services',
    // being allowed this alone would not help
    rule: null,
    what: 'see Cinder’s services',
    why: 'so Cinder takes it for no admin, and leaves the volumes of other projects out of every list without a word',
    level: 'fault',
  },
  { path: '/snapshots?limit=1', rule: 'volume:get_all_snapshots', what: 'list snapshots', why: '', level: 'fault' },
  { path: '/backups?limit=1', rule: 'backup:get_all', what: 'list backups', why: '', level: 'fault' },
  {
    path: '/scheduler-stats/get_pools',
    rule: 'scheduler_extension:scheduler_stats:get_pools',
    what: 'see how full the storage is',
    why: 'archives then start although there may be no room for what they need on the way',
    level: 'warning',
  },
] as const

/** Roles that let somebody change something; a custom one is taken to do so too. */
const readOnly = ['reader', 'observer', 'auditor']

/** Whether the identity may do what archives need, and no more. Nothing is tried out that would change something. */
export const rightsCheck: Check = {
  name: 'rights',
  async run({ config, cloud, cinder }) {
    const { session, identity, keystone } = await cloud.need()
    await cinder.need()
    const few = (await Promise.all(needs.map((need) => missing(session, need)))).flat()
    const names = config.policies.filter(({ where }) => (where.project ?? where.exclude?.project) !== undefined)
    if (names.length > 0 && (await keystone.listProjects()) === null) {
      few.push(
        warning(
          'CK-CLOUD-FORBIDDEN',
          `the identity may not list projects, so policies know them by their ids alone: ${names.map(({ name }) => name).join(', ')}`,
          'Write ids under `project`, or allow identity:list_projects.',
        ),
      )
    }
    const judged = [...few, ...judgeRoles(identity)]
    return judged.length > 0 ? judged : [ok('the identity may see all projects and write in its own')]
  },
}

/** By the token alone: what it can never do, and what it need not be able to do. */
export function judgeRoles({ userName, projectName, roles, unrestrictedCredential }: Identity): Finding[] {
  const findings: Finding[] = []
  if (roles.length > 0 && roles.every((role) => readOnly.includes(role))) {
    findings.push(
      fault(
        'CK-CLOUD-FORBIDDEN',
        `${userName} has only the role ${roles.join(', ')} in project ${projectName}: it can make no snapshot and no backup`,
        `openstack role add --user ${userName} --project ${projectName} admin`,
      ),
    )
  }
  if (unrestrictedCredential === true) {
    findings.push(
      warning(
        'CK-RIGHTS-TOO-MANY',
        'the application credential is unrestricted: whoever has it can make others, which outlive it',
        'Make one without --unrestricted, and delete this one.',
      ),
    )
  }
  return findings
}

async function missing(session: CloudSession, need: (typeof needs)[number]): Promise<Finding[]> {
  const [path = '', query = ''] = need.path.split('?')
  try {
    const asked = Object.fromEntries(new URLSearchParams(query))
    await session.request('block-storage', { method: 'GET', path, query: asked })
    return []
  } catch (error) {
    if (!isCloudError(error, 'CK-CLOUD-FORBIDDEN')) return [findingOf(error, need.level)]
    const why = need.why === '' ? '' : `, ${need.why}`
    const other = need.rule === null ? '' : `, or allow ${need.rule} in Cinder's policy.yaml`
    const cure = `Give it the role admin in its project${other}.`
    const tell = need.level === 'fault' ? fault : warning
    return [tell('CK-CLOUD-FORBIDDEN', `the identity may not ${need.what} (GET ${path})${why}`, cure)]
  }
}
