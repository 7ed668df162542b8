import { ok, type Check } from './check.js'

/** Keystone: whether it answers, and takes us for somebody. */
export const cloudCheck: Check = {
  name: 'cloud',
  async run({ cloud }) {
    const { identity, authUrl } = await cloud.reach()
    const { userName, projectName, roles } = identity
    const who = `${userName} in project ${projectName} (roles: ${roles.join(', ') || 'none'})`
    return [ok(`Keystone at ${authUrl} knows us as ${who}`)]
  },
}
