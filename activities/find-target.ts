import { CodedError } from '../errors/coded-error.js'
import type { Target } from '../targets/target.js'

/** @throws CodedError `CK-TARGET-UNKNOWN`: the worker's configuration is another than the one the archive was planned with */
export function findTarget(targets: ReadonlyMap<string, Target>, name: string): Target {
  const target = targets.get(name)
  if (target !== undefined) return target
  throw new CodedError('CK-TARGET-UNKNOWN', `this worker knows no target "${name}"`, {
    cure: `Its configuration has ${[...targets.keys()].join(', ') || 'none'}; give every process the same file and restart it.`,
  })
}
