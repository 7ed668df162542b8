import type { NativeConnection, WorkerOptions } from '@temporalio/worker'
import { Worker } from '@temporalio/worker'
import { failureInterceptor } from '../activities/failures.js'
import type { Log } from '../log/log.js'

/**
 * Polls one task queue until `signal` aborts, then takes nothing new and lets what runs go on for `drainSeconds`.
 * What is cut off then is resumed by another worker: a deploy cancels nothing (facts/temporal.md, "Deploy ≠ cancel").
 */
export async function runWorker(
  options: Pick<WorkerOptions, 'taskQueue' | 'namespace' | 'activities' | 'workflowBundle'> & {
    connection: NativeConnection
    drainSeconds: number
    log: Log
    signal: AbortSignal
  },
): Promise<void> {
  const { connection, drainSeconds, log, signal, ...polled } = options
  const worker = await Worker.create({
    ...polled,
    connection,
    identity: `cinderkeep ${process.pid}`,
    // 1,000 idle entities stay within 300 MB (facts/temporal.md, section 6)
    maxCachedWorkflows: 100,
    // a backup that Cinder makes is waited for by an act that only asks now and then; hundreds of them must not keep
    // captures from being taken and released
    maxConcurrentActivityTaskExecutions: 1000,
    shutdownGraceTime: `${drainSeconds} seconds`,
    shutdownForceTime: `${drainSeconds + 30} seconds`,
    interceptors: { activity: [() => ({ inbound: failureInterceptor(log) })] },
  })
  const stop = () => {
    if (worker.getState() === 'RUNNING') worker.shutdown()
  }
  signal.addEventListener('abort', stop, { once: true })
  try {
    const run = worker.run()
    if (signal.aborted) stop()
    await run
  } finally {
    signal.removeEventListener('abort', stop)
  }
}
