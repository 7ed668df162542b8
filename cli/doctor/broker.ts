import { ok, type Check } from './check.js'

/** The cloud's broker: reached as the listener reaches it. */
export const brokerCheck: Check = {
  name: 'broker',
  async run({ broker }) {
    const { host, product, version } = await broker.reach()
    return [ok(`${product} ${version} on ${host} lets us in`)]
  },
}
