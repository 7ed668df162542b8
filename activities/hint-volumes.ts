import type { Hint } from '../workflows/messages.js'
import type { Deps } from './control-activities.js'
import { hintVolume } from './hint-volume.js'

/** Tells several volumes the same; one that Temporal refuses to tell is noted in the log, and does not keep the others. */
export async function hintVolumes(
  deps: Pick<Deps, 'workflows' | 'log'>,
  volumeIds: string[],
  hint: Hint,
  taskQueue?: string,
): Promise<void> {
  for (const volumeId of volumeIds) {
    const refused = await hintVolume(deps, volumeId, hint, taskQueue)
    if (refused !== null) deps.log.warn({ volume: volumeId, reason: refused }, 'Temporal refuses to tell the volume')
  }
}
