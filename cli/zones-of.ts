import type { Config } from '../config/config.js'
import { zoneOf } from '../targets/zone-of.js'

/** The zones in which movers have something to do: those of sources, and of targets that only movers reach. */
export function zonesOf({ sources, targets }: Pick<Config, 'sources' | 'targets'>): string[] {
  const own = [...new Set(sources.map(({ zone }) => zone))]
  const near = Object.values(targets).flatMap((target) => zoneOf(target, own) ?? [])
  const zones = [...new Set([...own, ...near])]
  return zones.length === 0 ? ['default'] : zones
}
