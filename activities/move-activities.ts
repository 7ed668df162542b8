/** The acts that move bytes, near the storage: task queue `move@<zone>`. */
import type { Log } from '../log/log.js'
import type { Target } from '../targets/target.js'
import { verifyCopy } from './verify-copy.js'
import { writeCopy } from './write-copy.js'

export interface MoveDeps {
  targets: ReadonlyMap<string, Target>
  log: Log
}

export type MoveActivities = ReturnType<typeof moveActivities>

export function moveActivities(deps: MoveDeps) {
  return { writeCopy: writeCopy(deps), verifyCopy: verifyCopy(deps) }
}
