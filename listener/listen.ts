import { CodedError } from '../errors/coded-error.js'
import type { Log } from '../log/log.js'
import { bindTopics } from './bind.js'
import { connectBroker, type BrokerConnection } from './connect.js'
import { connectWhenNeeded, type NeededConnection } from './connect-when-needed.js'
import { consume } from './consume.js'
import { createHandOver, pauseFor, type Deliver } from './hand-over.js'
import type { ListenOptions } from './options.js'
import { closeQuietly } from './own-channel.js'
import { ensureOwnQueue } from './own-queue.js'
import { standardPace, type Pace } from './pace.js'
import { freshStats, type ListenerStats } from './stats.js'
import { whenAborted } from './when-aborted.js'

export interface Listener {
  /** Resolves when it has begun to consume for the first time. */
  started: Promise<void>
  stats(): ListenerStats
  /** Takes nothing more, waits for the signals in flight, acknowledges them, and disconnects. */
  stop(): Promise<void>
}

/**
 * Listens until stopped, whatever happens to the broker or to Temporal: it connects again, binds again, and takes nothing
 * while Temporal does not accept signals.
 * @param request.events the events that some policy is `on`; looked at for each notification
 */
export function listen(request: {
  options: ListenOptions
  deliver: Deliver
  events: ReadonlySet<string>
  log: Log
  pace?: Pace
}): Listener {
  const { options, events, log, deliver, pace = standardPace } = request
  const stats = freshStats()
  const stopping = new AbortController()
  const handOver = createHandOver({ deliver, concurrency: options.concurrency, ...pace, log })
  let tellStarted: () => void = () => undefined
  const started = new Promise<void>((resolve) => (tellStarted = resolve))

  const isStopping = (): boolean => stopping.signal.aborted

  async function run(): Promise<void> {
    for (let pause = pace.firstRetryMs; !isStopping(); pause = Math.min(pause * 2, pace.maxRetryMs)) {
      const since = performance.now()
      try {
        await use(await connectBroker(options, log, stopping.signal))
      } catch (error) {
        tell(error)
      }
      if (performance.now() - since > pace.maxRetryMs) pause = pace.firstRetryMs
      stats.state = 'connecting'
      stats.host = null
      if (!isStopping()) await pauseFor(pause * (0.5 + Math.random() / 2), stopping.signal)
    }
    await handOver.stop()
    stats.state = 'stopped'
  }

  /** Returns when the connection is lost or of no more use. */
  async function use(connection: BrokerConnection): Promise<void> {
    const session = new AbortController()
    const { host, product, version } = connection
    const publishing = connectWhenNeeded(() =>
      connectBroker(options, log, stopping.signal, 'cinderkeep listener: dead letters'),
    )
    try {
      log.info({ host, product, version }, 'connected to the broker')
      await secureQueue(connection, 'existed and is used as it is: its limits are those that it was made with')
      await bind(connection)
      stats.host = host
      const rebinding = keepBound(connection, session.signal)
      await takeTurns(connection, publishing)
      session.abort()
      await rebinding
    } finally {
      session.abort()
      await publishing.close()
      if (connection.isOpen()) await closeQuietly(connection.model)
    }
  }

  async function takeTurns(connection: BrokerConnection, publishing: NeededConnection): Promise<void> {
    const isOver = Promise.race([connection.closed, whenAborted(stopping.signal)])
    while (connection.isOpen() && !isStopping()) {
      // while Temporal is away the connection stays, and our bindings with it
      stats.state = 'waiting'
      await Promise.race([handOver.accepting(), isOver])
      if (!connection.isOpen() || isStopping()) return
      const stopAt = stopping.signal
      const how = { connection, publishing, options, events, handOver, stats, pace, log, stopAt, tellStarted }
      const end = await consume(how)
      if (end !== 'held') return
    }
  }

  async function keepBound(connection: BrokerConnection, over: AbortSignal): Promise<void> {
    for (;;) {
      await pauseFor(pace.recheckMs, over)
      if (over.aborted || !connection.isOpen()) return
      try {
        await secureQueue(connection, null)
        await bind(connection)
      } catch (error) {
        // the queue or the connection went away: consuming ends too, and says so
        if (connection.isOpen()) tell(error)
      }
    }
  }

  async function secureQueue(connection: BrokerConnection, ifItExisted: string | null): Promise<void> {
    const { queue } = options
    const found = await ensureOwnQueue(connection, options)
    if (found !== 'existed') log.info({ queue }, `our queue "${queue}" did not exist; made it (${found})`)
    else if (ifItExisted !== null) log.info({ queue }, `our queue "${queue}" ${ifItExisted}`)
  }

  async function bind(connection: BrokerConnection): Promise<void> {
    const unbound = await bindTopics(connection, options)
    for (const { exchange } of options.bind) {
      const problem = unbound.get(exchange)
      const told = stats.unbound.includes(exchange)
      if (problem && !told) tell(problem)
      if (!problem && told) log.info({ exchange }, 'the exchange is there now; our queue is bound to it')
    }
    stats.unbound = [...unbound.keys()]
  }

  function tell(error: unknown): void {
    if (error instanceof CodedError) log.error({ code: error.code, cure: error.cure }, error.message)
    else log.error({ err: error }, 'listening failed; it starts again')
  }

  const running = run()
  return {
    started,
    stats: () => ({ ...stats, unbound: [...stats.unbound], signalled: handOver.signalled() }),
    async stop() {
      stopping.abort()
      await running
    },
  }
}
