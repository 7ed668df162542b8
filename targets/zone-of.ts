import type { TargetOptions } from './options.js'

/**
 * The zone of the movers that reach a target where nobody else does; undefined: REST calls reach it from anywhere.
 * @param zones of the sources
 */
export function zoneOf(target: TargetOptions, zones: string[]): string | undefined {
  if (target.kind !== 'ceph') return undefined
  const [only] = zones
  return target.zone ?? (zones.length === 1 && only !== undefined ? only : 'default')
}
