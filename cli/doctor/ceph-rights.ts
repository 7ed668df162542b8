import type { Config } from '../../config/config.js'
import { capsOf, mayChangeObjects, mustReadPool, rbdObjects, type CephCaps } from '../../source/ceph-rights.js'
import { leastOsdCaps } from '../../source/least-caps.js'
import type { RbdSourceOptions } from '../../source/options.js'
import { cephTimeoutMs, rbdSources } from './ceph.js'
import { fault, findingOf, ok, skipped, warning, type Check, type Finding } from './check.js'

/** What the movers' Ceph users may do on sources: enough, and not too much. It is found out, not believed. */
export const cephRightsCheck: Check = {
  name: 'ceph-rights',
  async run({ config, signal }) {
    const needed = takesRbdSnapshots(config.targets)
    const found = await Promise.all(rbdSources(config.sources).map((source) => look(source, needed, signal)))
    return found.flat()
  },
}

/** Whether some target reads captures that we make ourselves. */
function takesRbdSnapshots(targets: Config['targets']): boolean {
  return Object.values(targets).some(({ kind }) => kind === 'ceph')
}

async function look(source: RbdSourceOptions, needed: boolean, signal: AbortSignal): Promise<Finding[]> {
  const run = { timeoutMs: cephTimeoutMs, signal }
  try {
    await mustReadPool(source, source.pool, run)
  } catch {
    return [skipped(`client.${source.user} cannot read pool ${source.pool} (see ceph)`)]
  }
  try {
    const may = async (prefix: string, pool = source.pool) => mayChangeObjects(source, pool, prefix, run)
    const pools = [source.pool, ...source.parents]
    const written = await Promise.all(pools.map(async (pool) => ((await may(rbdObjects.data, pool)) ? [pool] : [])))
    const rights: SourceRights = {
      written: written.flat(),
      names: await may(rbdObjects.names),
      snapshots: (await may(rbdObjects.headers)) && (await may(rbdObjects.objectMaps)),
      caps: await capsOf(source, run),
    }
    return judgeCephRights(source, rights, needed)
  } catch (error) {
    // movers read without these programs
    return [findingOf(error, 'warning')]
  }
}

export interface SourceRights {
  /** Pools in which it may write or delete the data of images. */
  written: string[]
  /** Whether it may make, rename and delete images. */
  names: boolean
  snapshots: boolean
  /** null where it may not see them, as it should be. */
  caps: CephCaps | null
}

/** @param needed whether RBD snapshots are taken on this source */
export function judgeCephRights(
  source: Pick<RbdSourceOptions, 'user' | 'pool' | 'parents' | 'conf'>,
  { written, names, snapshots, caps }: SourceRights,
  needed: boolean,
): Finding[] {
  const { user, parents, conf, pool } = source
  const least = `ceph auth caps client.${user} mon 'profile rbd' osd '${leastOsdCaps(source, needed)}'`
  const cure = `A mover only reads${needed ? ', and makes RBD snapshots' : ''}: ${least}`
  const findings: Finding[] = []
  if (needed && !snapshots) {
    const what = `client.${user} may not make RBD snapshots in pool ${pool} of the cluster of ${conf}: nothing can be captured for targets of kind ceph`
    findings.push(fault('CK-SOURCE-DENIED', what, least))
  }
  if (written.length > 0) {
    const more = parents.some((one) => written.includes(one)) ? ' and images' : ''
    const what = `client.${user} may write and delete the data of tenants' volumes${more}`
    findings.push(
      warning(
        'CK-RIGHTS-TOO-MANY',
        `${what} (${written.join(', ')} of the cluster of ${conf}): so can a stolen mover`,
        cure,
      ),
    )
  } else if (names) {
    const what = `client.${user} may make, rename and delete images in pool ${pool} of the cluster of ${conf}: so can a stolen mover`
    findings.push(warning('CK-RIGHTS-TOO-MANY', what, cure))
  }
  if (caps !== null) {
    const what = `client.${user} may read the keys of the cluster of ${conf} (mon '${caps.mon}'): it can become any user of it`
    findings.push(warning('CK-RIGHTS-TOO-MANY', what, cure))
  }
  if (findings.length > 0) return findings
  return [ok(`client.${user} can read data and write none${snapshots ? '; it can make RBD snapshots' : ''}`)]
}
