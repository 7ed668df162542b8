import { isCloudError } from '../../openstack/errors.js'
import { matchPattern } from '../../source/match-pattern.js'
import { CannotLook, ok, warning, type Check, type Finding } from './check.js'

/** Whether `sources` leads from each of Cinder's pools to its bytes. */
export const sourcesCheck: Check = {
  name: 'sources',
  async run({ config, cinder }) {
    if (config.sources.length === 0) throw new CannotLook('there are no sources (see configuration)')
    const { cinder: calls } = await cinder.need()
    try {
      const pools = await calls.listPools()
      return judgeSources(
        config.sources.map(({ match }) => match),
        pools.map(({ name }) => name),
      )
    } catch (error) {
      if (isCloudError(error, 'CK-CLOUD-FORBIDDEN', 'CK-CLOUD-NOT-FOUND')) {
        throw new CannotLook('Cinder’s pools may not be listed (see rights)')
      }
      throw error
    }
  },
}

/**
 * @param matches the `match` of each source, in order
 * @param pools `host@backend#pool`
 */
export function judgeSources(matches: string[], pools: string[]): Finding[] {
  if (pools.length === 0) return [ok('Cinder has no pools')]
  const findings: Finding[] = []
  const without = pools.filter((pool) => !matches.some((match) => matchPattern(match, pool)))
  if (without.length > 0) {
    findings.push(
      warning(
        'CK-SOURCE-NONE',
        `no source leads to ${without.join(', ')}: copies of volumes there are never verified`,
        'Write a source whose `match` fits, if a policy protects volumes there.',
      ),
    )
  }
  const idle = matches.filter((match) => {
    // the first that fits serves
    return !pools.some((pool) => matches.find((one) => matchPattern(one, pool)) === match)
  })
  if (idle.length > 0) {
    const which = idle.map((match) => `"${match}"`).join(', ')
    findings.push(
      warning(
        'CK-SOURCE-NONE',
        `the source for ${which} serves no pool of Cinder; those are ${pools.join(', ')}`,
        'Mend its `match`, or take it out. It is fine when the backend is away just now (see services).',
      ),
    )
  }
  return findings.length > 0 ? findings : [ok(`sources lead to all pools of Cinder: ${pools.join(', ')}`)]
}
