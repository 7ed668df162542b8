import type { Policy } from '../../policy/policy.js'
import { freezes } from '../freezing.js'
import { CannotLook, findingOf, ok, type Check } from './check.js'

/** Nova, which only policies that select by server, or freeze servers, ask. */
export const novaCheck: Check = {
  name: 'nova',
  async run({ config, cloud }) {
    const asking = config.policies.filter((policy) => namesServers(policy) || freezes(policy))
    if (asking.length === 0)
      throw new CannotLook('no policy selects by server or freezes servers, so Nova is not asked')
    const { session } = await cloud.need()
    try {
      const { url } = await session.offer('compute')
      // only an admin may ask for those of all projects
      const query = { all_tenants: 1, limit: 1 }
      await session.request('compute', { method: 'GET', path: '/servers/detail', query })
      return [ok(`Nova at ${url} shows the servers of all projects`)]
    } catch (error) {
      const found = findingOf(error)
      const who = asking.map(({ name }) => name).join(', ')
      return [
        { ...found, what: `${found.what}; needed by the policies that select by server or freeze servers: ${who}` },
      ]
    }
  },
}

function namesServers({ where }: Policy): boolean {
  return where.server !== undefined || where.exclude?.server !== undefined
}
