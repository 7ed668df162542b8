import { createHash, randomUUID } from 'node:crypto'
import type { Project, State, User } from './state.js'
import { defaultQuota } from './state.js'

const idOf = (kind: string, name: string): string => createHash('md5').update(`${kind}/${name}`).digest('hex')

/** Every user's, as in the lab. */
export const password = 'secret'

const projects = [
  { name: 'admin', description: 'The operator' },
  { name: 'payments', description: 'Card payments' },
  { name: 'research', description: 'Measurements and their evaluation' },
  { name: 'web', description: 'The public site' },
  { name: 'service', description: 'The cloud itself: owns what Cinder makes for itself' },
] as const

/** A cloud with some projects and nothing in them. `admin` is an admin in all, and unlimited in its own, as in the lab. */
export function initialState(): State {
  const projectMap = new Map<string, Project>(
    projects.map((project) => [idOf('project', project.name), { id: idOf('project', project.name), ...project }]),
  )
  const users = projects.map(({ name }): User => {
    const roles: [string, string[]][] =
      name === 'admin'
        ? [...projectMap.keys()].map((id) => [id, ['admin', 'member', 'reader']])
        : [[idOf('project', name), name === 'service' ? ['admin', 'service'] : ['member', 'reader']]]
    return { id: idOf('user', name), name, password, roles: new Map(roles) }
  })
  const type = {
    id: randomUUID(),
    name: 'files',
    description: null,
    isPublic: true,
    extraSpecs: { volume_backend_name: 'files' },
  }
  const unlimited = Object.fromEntries(Object.keys(defaultQuota).map((name) => [name, -1]))
  return {
    projects: projectMap,
    users: new Map(users.map((user) => [user.id, user])),
    applicationCredentials: new Map(),
    tokens: new Map(),
    types: new Map([[type.id, type]]),
    volumes: new Map(),
    snapshots: new Map(),
    backups: new Map(),
    transfers: new Map(),
    messages: new Map(),
    servers: new Map(),
    images: new Map(),
    quotas: new Map([[idOf('project', 'admin'), { ...defaultQuota, ...unlimited }]]),
    pool: { totalGib: 1000, freeGib: 1000 },
  }
}
