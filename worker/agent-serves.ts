import type { Client } from '@temporalio/client'
import { quiesceQueue } from '../workflows/quiesce-messages.js'
import { pollersOf } from './pollers-of.js'

/**
 * A poll that finds nothing lasts a minute, and the next one follows at once. The rest is for our clock, which may differ from
 * Temporal's: an agent that is taken for alive costs a freeze five seconds, one that is taken for dead costs the freeze.
 */
const askedWithinMs = 240_000

/** Whether somebody asked for the tasks of a hypervisor's queue lately; one that died since is noticed by what it leaves undone. */
export function agentServes(client: Client) {
  return async (hypervisor: string): Promise<boolean> => {
    const asked = await pollersOf(client, quiesceQueue(hypervisor), 'activity')
    return asked.some((at) => Date.now() - at < askedWithinMs)
  }
}
