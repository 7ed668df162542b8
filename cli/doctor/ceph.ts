import { CodedError } from '../../errors/coded-error.js'
import { mustReadPool } from '../../source/ceph-rights.js'
import type { RbdSourceOptions, SourcesOptions } from '../../source/options.js'
import { CannotLook, findingOf, ok, type Check, type Finding } from './check.js'

/** A cluster that is away makes librados wait for minutes; one that answers does so within a second. */
export const cephTimeoutMs = 15_000

/** The sources that are Ceph pools: the programs, the cluster's configuration, the key, the pool and those of parents. */
export const cephCheck: Check = {
  name: 'ceph',
  async run({ config, signal }) {
    const found = await Promise.all(rbdSources(config.sources).map((source) => readable(source, signal)))
    return found.flat()
  },
}

/** @throws CannotLook when there are none */
export function rbdSources(sources: SourcesOptions): RbdSourceOptions[] {
  const found = sources.filter((one): one is RbdSourceOptions => one.kind === 'rbd')
  if (found.length === 0) throw new CannotLook('no source is of kind rbd')
  return found
}

async function readable(source: RbdSourceOptions, signal: AbortSignal): Promise<Finding[]> {
  const { conf, user, pool, parents } = source
  const run = { timeoutMs: cephTimeoutMs, signal }
  const findings: Finding[] = []
  for (const one of [pool, ...parents]) {
    try {
      await mustReadPool(source, one, run)
    } catch (error) {
      findings.push(findingOf(error))
      // who is not let in at all is told so once
      if (!(error instanceof CodedError) || !/^CK-SOURCE-(DENIED|POOL-MISSING)$/.test(error.code)) return findings
    }
  }
  if (findings.length > 0) return findings
  const pools = [pool, ...parents].join(' and ')
  return [ok(`client.${user} reads ${pools} of the cluster of ${conf}`)]
}
