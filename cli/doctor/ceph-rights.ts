import { capsOf, mayWriteData, mustReadPool, type CephCaps } from '../../source/ceph-rights.js'
import type { RbdSourceOptions } from '../../source/options.js'
import { cephTimeoutMs, rbdSources } from './ceph.js'
import { findingOf, ok, skipped, warning, type Check, type Finding } from './check.js'

/** What the movers' Ceph users could do beyond reading; it is found out, not believed. */
export const cephRightsCheck: Check = {
  name: 'ceph-rights',
  async run({ config, signal }) {
    const found = await Promise.all(rbdSources(config.sources).map((source) => look(source, signal)))
    return found.flat()
  },
}

async function look(source: RbdSourceOptions, signal: AbortSignal): Promise<Finding[]> {
  const run = { timeoutMs: cephTimeoutMs, signal }
  try {
    await mustReadPool(source, source.pool, run)
  } catch {
    return [skipped(`client.${source.user} cannot read pool ${source.pool} (see ceph)`)]
  }
  try {
    const pools = [source.pool, ...source.parents]
    const written = await Promise.all(
      pools.map(async (pool) => ((await mayWriteData(source, pool, run)) ? [pool] : [])),
    )
    return judgeCephRights(source, written.flat(), await capsOf(source, run))
  } catch (error) {
    // movers read without these programs
    return [findingOf(error, 'warning')]
  }
}

/**
 * @param written pools in which it may write or delete the data of images
 * @param caps null where it may not see them, as it should be
 */
export function judgeCephRights(
  { user, pool, parents, conf }: Pick<RbdSourceOptions, 'user' | 'pool' | 'parents' | 'conf'>,
  written: string[],
  caps: CephCaps | null,
): Finding[] {
  const osd = [pool, ...parents].map((name) => `allow rx pool=${name}`).join(', ')
  const cure = `A mover only reads: ceph auth caps client.${user} mon 'profile rbd' osd '${osd}'`
  const findings: Finding[] = []
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
  }
  if (caps !== null) {
    const what = `client.${user} may read the keys of the cluster of ${conf} (mon '${caps.mon}'): it can become any user of it`
    findings.push(warning('CK-RIGHTS-TOO-MANY', what, cure))
  }
  return findings.length > 0 ? findings : [ok(`client.${user} can read data and write none`)]
}
