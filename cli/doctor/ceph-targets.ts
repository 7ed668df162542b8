import type { Config } from '../../config/config.js'
import { CodedError } from '../../errors/coded-error.js'
import { capsOf, mayChangeObjects, mustReadPool, rbdObjects } from '../../source/ceph-rights.js'
import { clusterId } from '../../source/cluster-id.js'
import type { RbdAccess } from '../../source/rbd-access.js'
import { openSeals } from '../../targets/ceph/seal.js'
import { accessOf } from '../../targets/ceph/setting.js'
import type { CephTargetOptions } from '../../targets/options.js'
import { cephTimeoutMs } from './ceph.js'
import { CannotLook, fault, findingOf, ok, warning, type Check, type Finding } from './check.js'

/** The targets of kind ceph: their keys, what these may do, and whether the copies lie elsewhere than the volumes. */
export const cephTargetsCheck: Check = {
  name: 'ceph-targets',
  async run({ config, signal }) {
    const targets = Object.entries(config.targets).flatMap(([name, options]) =>
      options.kind === 'ceph' ? [{ name, options }] : [],
    )
    if (targets.length === 0) throw new CannotLook('no target is of kind ceph')
    const found = await Promise.all(targets.map((target) => look(target, config.sources, signal)))
    return found.flat()
  },
}

interface CephTarget {
  name: string
  options: CephTargetOptions
}

async function look(target: CephTarget, sources: Config['sources'], signal: AbortSignal): Promise<Finding[]> {
  const roles = await Promise.all((['write', 'remove'] as const).map((role) => user(accessOf(target, role), signal)))
  const findings = [...(await key(target)), ...roles.flat(), ...(await place(target, sources))]
  if (findings.length > 0) return findings
  const { users, pool, conf } = target.options
  const who = [...new Set([users.write, users.remove])].map((name) => `client.${name}`).join(' and ')
  return [ok(`${target.name}: ${who} can write pool ${pool} of the cluster of ${conf}`)]
}

async function key({ name, options }: CephTarget): Promise<Finding[]> {
  try {
    await openSeals(options.macKey.file)
    return []
  } catch (error) {
    const found = findingOf(error)
    return [{ ...found, what: `target ${name}: ${found.what}` }]
  }
}

async function user(access: RbdAccess, signal: AbortSignal): Promise<Finding[]> {
  const run = { timeoutMs: cephTimeoutMs, signal }
  const { user: name, pool, conf, setting = '' } = access
  try {
    await mustReadPool(access, pool, run)
    const findings: Finding[] = []
    const writes = await Promise.all(
      [rbdObjects.data, rbdObjects.names, 'ck-tree.'].map((prefix) => mayChangeObjects(access, pool, prefix, run)),
    )
    if (writes.includes(false)) {
      const what = `client.${name} (${setting}) may not write what copies consist of into pool ${pool} of the cluster of ${conf}`
      findings.push(fault('CK-SOURCE-DENIED', what, `Give it the rights that docs/ceph.md names for ${setting}.`))
    }
    if ((await capsOf(access, run)) !== null) {
      const what = `client.${name} (${setting}) may read the keys of the cluster of ${conf}: it can become any user of it`
      findings.push(warning('CK-RIGHTS-TOO-MANY', what, `Give it the rights that docs/ceph.md names for ${setting}.`))
    }
    return findings
  } catch (error) {
    return [findingOf(error)]
  }
}

async function place({ name, options }: CephTarget, sources: Config['sources']): Promise<Finding[]> {
  const ids = async (access: RbdAccess) => clusterId(access).catch(() => null)
  const [here, ...there] = await Promise.all([
    ids(accessOf({ name, options }, 'write')),
    ...sources.flatMap((source) => (source.kind === 'rbd' ? [ids(source)] : [])),
  ])
  // a cluster that does not answer is told of by others
  if (here == null || !there.includes(here)) return []
  const error = new CodedError('CK-SAME-CLUSTER', `the target ${name} is in the very Ceph cluster of a source`, {
    cure: 'One lost cluster would take volumes and copies. Use another cluster.',
  })
  return [findingOf(error, options.sameCluster ? 'warning' : 'fault')]
}
