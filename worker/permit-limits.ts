import type { PermitLimits } from '../activities/permits-of.js'
import type { Config } from '../config/config.js'

/** The limits that the file sets for targets and sources; those of policies travel with the policies. */
export function permitLimits({ targets, sources }: Pick<Config, 'targets' | 'sources'>): PermitLimits {
  const limited = Object.entries(targets).flatMap(([name, { permits }]) =>
    permits === undefined ? [] : [[name, permits] as const],
  )
  return {
    targets: new Map(limited),
    sources: sources.map(({ match, permits }) => ({ match, permits: permits ?? null })),
  }
}
