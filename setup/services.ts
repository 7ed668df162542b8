import { findRabbit } from './rabbitmq.js'
import { say } from './say.js'
import { findTemporal } from './temporal.js'

/** The servers that tests need, and how programs are told of them. */
export interface Services {
  /** `TEMPORAL_ADDRESS`, `TEMPORAL_NAMESPACE`, and `AMQP_URL` where a broker was asked for. */
  env: Record<string, string>
  stop(): Promise<void>
}

/**
 * Finds or starts Temporal and, unless told otherwise, RabbitMQ.
 * @throws CodedError as `findTemporal` and `findRabbit`; then nothing is left running
 */
export async function findServices(options: { purpose: string; rabbit?: boolean }): Promise<Services> {
  const temporal = await findTemporal({ purpose: options.purpose })
  const env: Record<string, string> = { TEMPORAL_ADDRESS: temporal.address, TEMPORAL_NAMESPACE: temporal.namespace }
  if (options.rabbit === false) return { env, stop: () => temporal.stop() }
  try {
    const rabbit = await findRabbit()
    return {
      env: { ...env, AMQP_URL: rabbit.url },
      async stop() {
        for (const server of [rabbit, temporal]) await server.stop()
      },
    }
  } catch (error) {
    await temporal.stop()
    throw error
  }
}

/** Does the work, then stops the services whatever came of it; Ctrl-C too ends in order. */
export async function withServices<T>(services: Services, work: () => Promise<T>): Promise<T> {
  // the children in our terminal get Ctrl-C as well and end; then we stop the rest
  const interrupted = (): void => {
    say('interrupted, stopping')
  }
  process.on('SIGINT', interrupted)
  try {
    return await work()
  } finally {
    await services.stop()
    process.off('SIGINT', interrupted)
  }
}
