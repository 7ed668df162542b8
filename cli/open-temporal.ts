import type { Client } from '@temporalio/client'
import type { Config } from '../config/config.js'
import { CodedError } from '../errors/coded-error.js'
import type { Cli } from './context.js'

/**
 * The SDK's client alone: the worker's half takes a second to load.
 * @param patienceSeconds how long a server that does not answer is waited for
 * @throws CodedError `CK-TEMPORAL-UNREACHABLE`
 */
export async function openTemporal(
  cli: Cli,
  config: Config,
  patienceSeconds = 10,
): Promise<{ client: Client; close: () => Promise<void> }> {
  const [{ Client, Connection }, { temporalConnection }] = await Promise.all([
    import('@temporalio/client'),
    import('../config/temporal.js'),
  ])
  const { connectionOptions, namespace } = await temporalConnection(config.temporal, cli.env)
  try {
    const connection = await Connection.connect({ ...connectionOptions, connectTimeout: `${patienceSeconds} seconds` })
    return { client: new Client({ connection, namespace }), close: () => connection.close() }
  } catch (cause) {
    throw new CodedError(
      'CK-TEMPORAL-UNREACHABLE',
      `Temporal at ${connectionOptions.address} (namespace ${namespace}) does not answer`,
      { cure: 'Check temporal.address or TEMPORAL_ADDRESS, the TLS settings, and that the server runs.', cause },
    )
  }
}
