import { proxyActivities } from '@temporalio/workflow'

/** Does one act of an agent, once, on the agent's own queue. */
export async function oneAct({ taskQueue, act, request }) {
  const retry = { maximumAttempts: 1 }
  const acts = proxyActivities({
    taskQueue,
    startToCloseTimeout: '2 minutes',
    scheduleToStartTimeout: '2 minutes',
    retry,
  })
  return await acts[act](request)
}
