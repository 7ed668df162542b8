import type { Client } from '@temporalio/client'
import type { Config } from '../config/config.js'
import { CodedError } from '../errors/coded-error.js'
import type { AppliedPolicies } from '../policy/policy.js'
import { withTemporal } from './call-volume.js'
import type { Cli } from './context.js'
import { listEntities, type Entity } from './list-entities.js'

/** What Temporal knows of the policies and the volumes. */
export interface Known {
  applied: AppliedPolicies | null
  entities: Map<string, Entity>
}

/** Whoever plans may have no Temporal yet. */
const patienceSeconds = 3
const away: string[] = ['CK-TEMPORAL-UNREACHABLE', 'CK-TEMPORAL-NAMESPACE', 'CK-WORKER-AWAY']

/** Null, and a note that says why, where Temporal does not answer: there may be none yet. */
export async function knownOfPolicies(cli: Cli, config: Config): Promise<Known | null> {
  const { readAppliedPolicies } = await import('../worker/applied-policies.js')
  try {
    const read = async (client: Client): Promise<Known> => ({
      applied: await readAppliedPolicies(client),
      entities: await listEntities(client),
    })
    return await withTemporal(cli, config, read, patienceSeconds)
  } catch (error) {
    if (!(error instanceof CodedError) || !away.includes(error.code)) throw error
    cli.output.note(`${error.code}  ${error.message}: what was archived is not known, only what the schedules say`)
    return null
  }
}
