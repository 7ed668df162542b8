import { setTimeout as sleep } from 'node:timers/promises'
import type { RecoveryPoint, VolumeStatus } from '../workflows/messages.js'
import { pointsQuery, statusQuery, volumeWorkflowId } from '../workflows/messages.js'
import type { Stage } from './stage.js'

const patienceSeconds = 150

/**
 * Asks until there is an answer.
 * @throws Error saying what did not come
 */
export async function waitFor<T>(what: string, ask: () => Promise<T | null> | T | null): Promise<T> {
  const end = performance.now() + patienceSeconds * 1000
  while (performance.now() < end) {
    const answer = await ask()
    if (answer !== null) return answer
    await sleep(50)
  }
  throw new Error(`waited ${patienceSeconds} s in vain for ${what}`)
}

/** The recovery points that the volume's workflow knows; none while nobody answers for it. */
export async function pointsOf({ client }: Stage, volumeId: string): Promise<RecoveryPoint[]> {
  return (await ask(client, () => client.workflow.getHandle(volumeWorkflowId(volumeId)).query(pointsQuery))) ?? []
}

export async function statusOf({ client }: Stage, volumeId: string): Promise<VolumeStatus | null> {
  return ask(client, () => client.workflow.getHandle(volumeWorkflowId(volumeId)).query(statusQuery))
}

export async function runIdOf({ client }: Stage, volumeId: string): Promise<string> {
  return (await client.workflow.getHandle(volumeWorkflowId(volumeId)).describe()).runId
}

/** The points of which a copy is in this state, once there are that many. */
export async function waitForCopies(
  stage: Stage,
  volume: { id: string; name: string },
  state: 'verified' | 'damaged',
  count = 1,
): Promise<RecoveryPoint[]> {
  return waitFor(`${count} ${state} of ${volume.name}`, async () => {
    const points = (await pointsOf(stage, volume.id)).filter(({ copies }) =>
      copies.some((copy) => copy.state === state),
    )
    if (points.length >= count) return points
    await sleep(250)
    return null
  })
}

/** null while the volume has no workflow, or no worker answers for it. */
async function ask<T>(client: Stage['client'], query: () => Promise<T>): Promise<T | null> {
  try {
    return await client.withDeadline(Date.now() + 5000, query)
  } catch {
    await sleep(250)
    return null
  }
}
