import { temporal } from '@temporalio/proto'
import { DefaultLogger, Runtime, Worker } from '@temporalio/worker'
import { readdir, readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'

Runtime.install({ logger: new DefaultLogger('ERROR'), telemetryOptions: { logging: { forward: {}, filter: 'OFF' } } })

const { History } = temporal.api.history.v1
const directory = fileURLToPath(new URL('../histories/', import.meta.url))
const codePath = fileURLToPath(new URL('../../dist/workflow-bundle.js', import.meta.url))
const files = (await readdir(directory)).filter((file) => file.endsWith('.binpb'))

async function read(file: string) {
  return History.decode(await readFile(directory + file))
}

/** What a worker of today says to a history of then; null: nothing. */
async function replay(history: temporal.api.history.v1.IHistory): Promise<unknown> {
  const id = history.events?.[0]?.workflowExecutionStartedEventAttributes?.workflowId ?? ''
  try {
    await Worker.runReplayHistory({ workflowBundle: { codePath } }, history, id)
    return null
  } catch (error) {
    return error
  }
}

it.each(files)('replays %s', async (file) => {
  expect(await replay(await read(file))).toBeNull()
})

it.each(files)('notices when %s tells of other steps than the workflow would take', async (file) => {
  const history = await read(file)
  const scheduled = history.events.map((event) => event.activityTaskScheduledEventAttributes).find(Boolean)
  const child = history.events.map((event) => event.startChildWorkflowExecutionInitiatedEventAttributes).find(Boolean)
  if (scheduled?.activityType) scheduled.activityType.name = 'somethingElse'
  else if (child?.workflowType) child.workflowType.name = 'somethingElse'
  expect(await replay(history)).toBeInstanceOf(Error)
})

it('has a history of each workflow', () => {
  expect(files.some((file) => file.startsWith('watch-volume'))).toBe(true)
  expect(files.some((file) => file.startsWith('archive-volume'))).toBe(true)
  expect(files.some((file) => file.startsWith('verify-point'))).toBe(true)
  expect(files.some((file) => file.startsWith('capture-server'))).toBe(true)
})
