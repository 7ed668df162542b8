import { fault, ok, type Check, type Finding } from './check.js'

/** As in package.json. */
const least = [20, 19] as const

export const nodeCheck: Check = {
  name: 'node',
  run: async ({ nodeVersion }) => [judgeNode(nodeVersion)],
}

/** @param version `22.3.0` */
export function judgeNode(version: string): Finding {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  if (major > least[0] || (major === least[0] && minor >= least[1])) return ok(`Node ${version}`)
  return fault('CK-NODE-VERSION', `this is Node ${version}`, `Install Node ${least.join('.')} or later.`)
}
