import { pino, stdSerializers } from 'pino'
import pretty from 'pino-pretty'

/** The fields that lines of the log share with the Temporal UI and the CLI. */
export interface LogFields {
  volume?: string
  archive?: string
  activity?: string
  attempt?: number
  request_id?: string
  target?: string
  bytes?: number
  ms?: number
  code?: string
  err?: unknown
  [other: string]: unknown
}

/** What every room is given to log with; `child` binds fields to all lines. */
export interface Log {
  debug(fields: LogFields, message: string): void
  info(fields: LogFields, message: string): void
  warn(fields: LogFields, message: string): void
  error(fields: LogFields, message: string): void
  child(fields: LogFields): Log
}

/** Names under which a secret could reach a line although nobody meant it to. */
const secrets = ['password', 'token', 'secret', 'auth', 'authorization', 'key', 'context'].flatMap((name) => [
  name,
  `*.${name}`,
])

/**
 * One JSON object a line on stderr (`time level msg …`); a readable form when stderr is a terminal.
 * @param level `debug`, `info` (default), `warn` or `error`
 */
export function createLog(level: 'debug' | 'info' | 'warn' | 'error' = 'info', fields: LogFields = {}): Log {
  const options = {
    level,
    base: fields,
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
    formatters: { level: (label: string) => ({ level: label }) },
    redact: { paths: secrets, censor: '[secret]' },
    serializers: { err: stdSerializers.errWithCause },
  }
  return pino(
    options,
    process.stderr.isTTY ? pretty({ destination: 2, sync: true, ignore: 'pid,hostname' }) : toStderr(),
  )
}

/** A reader that has stopped reading must not fill our memory: what comes then is lost. */
const mostUnwrittenBytes = 16 * 1024 * 1024

/**
 * Not by `process.stderr`, which waits for each line to be written: that was a sixth of the listener's CPU. Lines that
 * wait are written together, within moments, and at the latest when the process exits; only SIGKILL loses the last ones.
 */
function toStderr() {
  return pino.destination({ dest: 2, sync: false, maxLength: mostUnwrittenBytes })
}

/** For tests and for commands whose result alone matters. */
export const silentLog: Log = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => silentLog,
}
