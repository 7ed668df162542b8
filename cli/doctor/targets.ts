import { openSources } from '../../source/open-sources.js'
import { openTargets } from '../../targets/open-targets.js'
import { size } from '../words.js'
import { CannotLook, findingOf, ok, type Check } from './check.js'

/** Each target: whether it answers, and the room that it tells of. */
export const targetsCheck: Check = {
  name: 'targets',
  async run({ config, cinder, log }) {
    if (Object.keys(config.targets).length === 0) throw new CannotLook('there are no targets (see configuration)')
    const { cinder: calls } = await cinder.need()
    const { installation } = config
    const targets = openTargets(config.targets, {
      cinder: calls,
      sources: openSources(config.sources),
      installation,
      log,
    })
    return Promise.all(
      [...targets.values()].map(async (target) => {
        try {
          const { freeBytes } = await target.capacity()
          const room = freeBytes === null ? 'it knows no limit' : `${size(freeBytes)} are free`
          return ok(`${target.name} (${target.kind}) answers; ${room}`)
        } catch (error) {
          const found = findingOf(error)
          return { ...found, what: `target ${target.name}: ${found.what}` }
        }
      }),
    )
  },
}
