import { DefaultLogger, makeTelemetryFilterString, Runtime } from '@temporalio/worker'
import type { Log, LogFields } from '../log/log.js'

const levels = { TRACE: 'debug', DEBUG: 'debug', INFO: 'info', WARN: 'warn', ERROR: 'error' } as const

/** Sends the SDK's own lines, and those that workflows log, into our log. Once a process, before any connection. */
export function forwardLogs(log: Log): void {
  const logger = new DefaultLogger('WARN', ({ level, message, meta }) => {
    const { workflowId, activityType, attempt, error, ...rest } = (meta ?? {}) as Record<string, unknown>
    const fields: LogFields = {
      ...(typeof workflowId === 'string' ? { archive: workflowId } : {}),
      ...(typeof activityType === 'string' ? { activity: activityType } : {}),
      ...(typeof attempt === 'number' ? { attempt } : {}),
      ...(error === undefined ? {} : { err: error }),
      ...pick(rest, ['target', 'entity', 'taskQueue']),
    }
    log[levels[level]](fields, message)
  })
  Runtime.install({
    logger,
    telemetryOptions: { logging: { forward: {}, filter: makeTelemetryFilterString({ core: 'WARN' }) } },
    // signals are ours: roles drain before they end
    shutdownSignals: [],
  })
}

/** Only what is known to hold no secret. */
function pick(meta: Record<string, unknown>, names: string[]): LogFields {
  return Object.fromEntries(
    Object.entries(meta).filter(([name, value]) => names.includes(name) && typeof value === 'string'),
  )
}
