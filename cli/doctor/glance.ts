import { freezes } from '../freezing.js'
import { CannotLook, findingOf, ok, type Check } from './check.js'

/** Glance, which is asked only where Nova freezes: its captures come as images. */
export const glanceCheck: Check = {
  name: 'glance',
  async run({ config, glance }) {
    const asking = config.policies.filter(freezes)
    if (asking.length === 0) throw new CannotLook('no policy freezes servers, so Glance is not asked')
    try {
      await glance.reach()
      return [ok('Glance answers, and shows the images of our project')]
    } catch (error) {
      if (error instanceof CannotLook) throw error
      const found = findingOf(error, 'warning')
      return [{ ...found, what: `${found.what}; without it only agents freeze, Nova does not (see quiesce)` }]
    }
  },
}
