import { Client, Connection } from '@temporalio/client'
import { NativeConnection } from '@temporalio/worker'
import type { TemporalConnection } from '../config/temporal.js'
import { CodedError } from '../errors/coded-error.js'

function unreachable({ connectionOptions: { address }, namespace }: TemporalConnection, cause: unknown): CodedError {
  return new CodedError('CK-TEMPORAL-UNREACHABLE', `Temporal at ${address} (namespace ${namespace}) does not answer`, {
    cure: 'Check temporal.address or TEMPORAL_ADDRESS, the TLS settings, and that the server runs.',
    cause,
  })
}

/** For those who signal, query and list. @throws CodedError `CK-TEMPORAL-UNREACHABLE` */
export async function connectClient(settings: TemporalConnection): Promise<{ connection: Connection; client: Client }> {
  try {
    const connection = await Connection.connect({ ...settings.connectionOptions, connectTimeout: '10 seconds' })
    const client = new Client({ connection, namespace: settings.namespace, identity: `cinderkeep ${process.pid}` })
    return { connection, client }
  } catch (error) {
    throw unreachable(settings, error)
  }
}

/** For workers. @throws CodedError `CK-TEMPORAL-UNREACHABLE` */
export async function connectWorker(settings: TemporalConnection): Promise<NativeConnection> {
  try {
    return await NativeConnection.connect(settings.connectionOptions)
  } catch (error) {
    throw unreachable(settings, error)
  }
}
