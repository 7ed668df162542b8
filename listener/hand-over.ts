import { setTimeout as sleep } from 'node:timers/promises'
import { CodedError } from '../errors/coded-error.js'
import type { Log } from '../log/log.js'
import type { Hint } from '../workflows/messages.js'
import type { SubjectHint } from './route.js'
import { subjectOf } from './subject-of.js'

/** Hints for one volume, or one server, that become one signal. */
export interface Delivery {
  /** `volume/<id>` or `server/<id>`. */
  workflowId: string
  /** In order of arrival. */
  hints: Hint[]
  /** Whether that workflow is started when it does not exist. */
  start: boolean
}

/**
 * Hands a signal to Temporal; resolves when Temporal has accepted it, and settles within a bounded time.
 * @throws CodedError `CK-TEMPORAL-UNAVAILABLE` when trying again may help, `CK-TEMPORAL-REFUSED` when somebody must act
 */
export type Deliver = (delivery: Delivery) => Promise<void>

interface Batch extends Delivery {
  /** What to call when it was accepted: the acknowledgements. */
  done: (() => void)[]
}

export interface HandOver {
  /** Takes a hint; `done` is called once Temporal has accepted it, never when it has not. */
  add(hint: SubjectHint, done: () => void): void
  /** Resolves as soon as Temporal accepts signals: at once unless there is trouble. */
  accepting(): Promise<void>
  /** Resolves as soon as Temporal does not accept signals. */
  troubled(): Promise<void>
  /** Drops what waits, since its messages went back to the broker; keeps one hint to ask Temporal with. */
  forget(): void
  /** Starts no further signal; returns when those in flight have settled. */
  stop(): Promise<void>
  /** Signals that Temporal accepted. */
  signalled(): number
}

/**
 * Turns hints into signals: bounded in number, one at a time for a workflow, everything that waits for one in one. When
 * Temporal does not accept one, nothing more is sent but that one, again and again with growing pauses, until it is.
 * @param options.firstRetryMs doubled up to `maxRetryMs` from try to try
 */
export function createHandOver(options: {
  deliver: Deliver
  concurrency: number
  firstRetryMs: number
  maxRetryMs: number
  log: Log
}): HandOver {
  const { deliver, log } = options
  const waiting = new Map<string, Batch>()
  const active = new Map<string, Promise<void>>()
  const stopping = new AbortController()
  let trouble: CodedError | null = null
  /** What Temporal is asked with while there is trouble. */
  let asking: Batch | null = null
  let changed = signalOnce()
  let scheduled = false
  let accepted = 0

  function schedule(): void {
    if (scheduled) return
    scheduled = true
    // what arrives in one read of the socket is handed over together
    setImmediate(() => {
      scheduled = false
      pump()
    })
  }

  function pump(): void {
    if (trouble !== null || stopping.signal.aborted) return
    for (const [workflowId, batch] of waiting) {
      if (active.size >= options.concurrency) return
      if (active.has(workflowId)) continue
      waiting.delete(workflowId)
      start(batch)
    }
  }

  function start(batch: Batch): void {
    const sent = send(batch).finally(() => {
      active.delete(batch.workflowId)
      schedule()
    })
    active.set(batch.workflowId, sent)
  }

  async function send(batch: Batch): Promise<void> {
    try {
      await deliver(plain(batch))
    } catch (error) {
      if (trouble === null) beginTrouble(batch, asTrouble(error))
      else putBack(batch)
      return
    }
    accept(batch)
  }

  function accept({ workflowId, hints, start, done }: Batch): void {
    accepted += 1
    log.info({ ...subjectOf(workflowId), message_ids: hints.map(({ messageId }) => messageId), start }, 'signalled')
    for (const acknowledge of done) acknowledge()
  }

  function putBack(batch: Batch): void {
    const later = waiting.get(batch.workflowId)
    waiting.set(batch.workflowId, later ? merge(batch, later) : batch)
  }

  function beginTrouble(batch: Batch, error: CodedError): void {
    trouble = error
    asking = batch
    tell(error)
    change()
    void ask(batch)
  }

  function tell(error: CodedError): void {
    const message = `${error.message}; no notifications are taken until it accepts this one`
    log.error({ code: error.code, cure: error.cure, err: error.cause }, message)
  }

  /** Tries the one that was not accepted until it is. */
  async function ask(batch: Batch): Promise<void> {
    for (let pause = options.firstRetryMs; ; pause = Math.min(pause * 2, options.maxRetryMs)) {
      await pauseFor(pause * (0.5 + Math.random() / 2), stopping.signal)
      if (stopping.signal.aborted) return
      const tried = deliver(plain(batch))
      active.set(batch.workflowId, settled(tried))
      try {
        await tried
      } catch (error) {
        const again = asTrouble(error)
        if (again.code !== trouble?.code) tell(again)
        trouble = again
        continue
      } finally {
        active.delete(batch.workflowId)
      }
      accept(batch)
      log.info({}, 'Temporal accepts signals again')
      trouble = null
      asking = null
      change()
      schedule()
      return
    }
  }

  function change(): void {
    const before = changed
    changed = signalOnce()
    before.fire()
  }

  async function until(wanted: () => boolean): Promise<void> {
    while (!wanted()) await changed.fired
  }

  return {
    add({ workflowId, hint, start }, done) {
      const batch = waiting.get(workflowId)
      if (batch) {
        batch.hints.push(hint)
        batch.done.push(done)
        batch.start ||= start
      } else {
        waiting.set(workflowId, { workflowId, hints: [hint], start, done: [done] })
      }
      schedule()
    },
    accepting: () => until(() => trouble === null),
    troubled: () => until(() => trouble !== null),
    forget() {
      waiting.clear()
      if (asking) asking.done = []
    },
    async stop() {
      stopping.abort()
      await Promise.all(active.values())
    },
    signalled: () => accepted,
  }
}

function plain({ workflowId, hints, start }: Batch): Delivery {
  return { workflowId, hints: [...hints], start }
}

function merge(first: Batch, later: Batch): Batch {
  return {
    workflowId: first.workflowId,
    hints: [...first.hints, ...later.hints],
    done: [...first.done, ...later.done],
    start: first.start || later.start,
  }
}

async function settled(promise: Promise<void>): Promise<void> {
  await Promise.allSettled([promise])
}

/** Anything unexpected holds everything up as well: a hint must not be lost to a fault of ours. */
function asTrouble(error: unknown): CodedError {
  if (error instanceof CodedError) return error
  return new CodedError('CK-TEMPORAL-REFUSED', 'a signal could not be handed to Temporal', {
    cure: 'See the cause in the log; it is tried again.',
    cause: error,
  })
}

function signalOnce(): { fired: Promise<void>; fire: () => void } {
  let fire: () => void = () => undefined
  const fired = new Promise<void>((resolve) => (fire = resolve))
  return { fired, fire }
}

/** Returns early when aborted. */
export async function pauseFor(ms: number, signal: AbortSignal): Promise<void> {
  try {
    await sleep(ms, undefined, { signal })
  } catch (error) {
    if (!signal.aborted) throw error
  }
}
