import { ok, type Check } from './check.js'

/** Cinder: whether the catalogue leads to it, it answers, and is new enough. */
export const cinderCheck: Check = {
  name: 'cinder',
  async run({ cinder }) {
    const { url, microversions } = await cinder.reach()
    return [ok(`Cinder at ${url}, microversions ${microversions.least} to ${microversions.most}`)]
  },
}
