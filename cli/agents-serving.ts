import type { Client } from '@temporalio/client'
import { agentServes } from '../worker/agent-serves.js'

/** How many queues are asked about side by side. */
const sideBySide = 16

/** On which of these hypervisors an agent serves now. */
export async function agentsServing(client: Client, hypervisors: Iterable<string>): Promise<Map<string, boolean>> {
  const serves = agentServes(client)
  const found = new Map<string, boolean>()
  const waiting = [...new Set(hypervisors)]
  for (let at = 0; at < waiting.length; at += sideBySide) {
    const some = waiting.slice(at, at + sideBySide)
    await Promise.all(some.map(async (one) => found.set(one, await serves(one))))
  }
  return found
}
