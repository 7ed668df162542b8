import type { Client, Connection } from '@temporalio/client'
import type { NativeConnection } from '@temporalio/worker'
import { connectClient, connectWorker } from '../../worker/connect-temporal.js'
import { given } from './serve.js'

/** Both connections to Temporal, made as our roles make them. */
export async function connectBoth(): Promise<{
  namespace: string
  client: Client
  connection: Connection
  native: NativeConnection
}> {
  const namespace = given('TEMPORAL_NAMESPACE')
  const settings = { connectionOptions: { address: given('TEMPORAL_ADDRESS') }, namespace }
  const { client, connection } = await connectClient(settings)
  return { namespace, client, connection, native: await connectWorker(settings) }
}
