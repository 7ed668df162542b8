/** Many small volumes of many projects. */
import { randomBytes } from 'node:crypto'
import { truncate, writeFile } from 'node:fs/promises'
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

/**
 * Project after project, so that whoever serves in order of asking serves the last one last. Their files are a few KiB
 * where Cinder says a GiB: what counts here is how many there are.
 */
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
        await shrink(stage.sandbox.volumePath(volume.id))
        return volume
      }),
    )
    volumes.push(...own)
  }
  return volumes
}

async function shrink(path: string): Promise<void> {
  await truncate(path, 0)
  await writeFile(path, randomBytes(16 * 1024))
}
