/** Many small volumes of many projects. */
import { randomBytes } from 'node:crypto'
import { open } from 'node:fs/promises'
import type { Volume } from '../../openstack/cinder.js'
import { password } from '../../sandbox/initial-state.js'
import type { Sandbox } from '../../sandbox/sandbox.js'
import type { Stage } from './stage.js'

/** Adds projects with a user each, and no quota that could stop anybody. */
export function addProjects({ state }: Pick<Sandbox, 'state'>, count: number): string[] {
  const unlimited = state.quotas.values().next().value
  if (unlimited === undefined) throw new Error('nobody is unlimited')
  return Array.from({ length: count }, (_, i) => {
    const name = `team-${String(i + 1).padStart(2, '0')}`
    const id = randomBytes(16).toString('hex')
    state.projects.set(id, { id, name, description: '' })
    const user = { id: randomBytes(16).toString('hex'), name, password, roles: new Map([[id, ['member', 'reader']]]) }
    state.users.set(user.id, user)
    state.quotas.set(id, unlimited)
    return name
  })
}

/** The file of a GiB: what counts here is how many volumes there are. */
export const bytesPerGib = 256 * 1024

/** Project after project, so that whoever serves in order of asking serves the last one last. */
export async function createCrowd(
  stage: Stage,
  projects: string[],
  each: number,
  metadataOf: (index: number) => Record<string, string> = () => ({}),
): Promise<Volume[]> {
  const volumes: Volume[] = []
  for (const project of projects) {
    const tenant = await stage.tenant(project)
    const own = await Promise.all(
      Array.from({ length: each }, async (_, index) => {
        const volume = await tenant.createVolume(`${project}-${index}`, { metadata: metadataOf(index) })
        await fill(stage.sandbox.volumePath(volume.id))
        return volume
      }),
    )
    volumes.push(...own)
  }
  return volumes
}

async function fill(path: string): Promise<void> {
  const file = await open(path, 'r+')
  try {
    await file.write(randomBytes(16 * 1024), 0, 16 * 1024, bytesPerGib / 2)
  } finally {
    await file.close()
  }
}
