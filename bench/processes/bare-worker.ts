/** A worker with the options of ours, for workflows that do nothing but their acts. */
import { createLog } from '../../log/log.js'
import { forwardLogs } from '../../worker/forward-logs.js'
import { runWorker } from '../../worker/run-worker.js'
import { bareQueue } from '../bare-workflows.js'
import { connectBoth } from './connect.js'
import { given, serve, tell } from './serve.js'

serve(async () => {
  const log = createLog('info', { role: 'bare' })
  forwardLogs(log)
  const { namespace, connection, native } = await connectBoth()
  const workflowBundle = { codePath: given('BARE_BUNDLE') }
  const stopping = new AbortController()
  const activities = {
    touch: async (subject: string) => {
      tell(subject, 'touched')
    },
  }
  const taskQueue = bareQueue
  const run = runWorker({
    ...{ connection: native, namespace, taskQueue, activities, workflowBundle, drainSeconds: 1, log },
    signal: stopping.signal,
  })
  return {
    async stop() {
      stopping.abort()
      await run
      await native.close()
      await connection.close()
    },
  }
})
