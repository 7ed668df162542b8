import type { Config } from '../config/config.js'
import { didYouMean } from '../config/nearest.js'
import { CodedError } from '../errors/coded-error.js'

/** @throws CodedError `CK-TARGET-UNKNOWN` for the first name that no configured target has */
export function checkTargets(config: Config, targets: string[]): void {
  const known = Object.keys(config.targets)
  for (const target of targets) {
    if (known.includes(target)) continue
    throw new CodedError('CK-TARGET-UNKNOWN', `"${target}" is no target${didYouMean(target, known)}`, {
      cure: `Targets in ${config.path} are ${known.join(', ') || 'none'}.`,
    })
  }
}
