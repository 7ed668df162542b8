import { Client, Connection } from '@temporalio/client'
import { NativeConnection } from '@temporalio/worker'

/** What a workflow test needs of the Temporal server that `npm test` found or started. */
export interface TestTemporal {
  address: string
  namespace: string
  client: Client
  /** For workers. */
  nativeConnection: NativeConnection
  close(): Promise<void>
}

/**
 * Connects to the test run's Temporal server. Its namespace is shared by all tests of the run: use unique workflow ids
 * and task queues. Close it after the last worker has ended.
 * @param own another namespace than that
 */
export async function connectTemporal(own?: string): Promise<TestTemporal> {
  const address = process.env['TEMPORAL_ADDRESS']
  const namespace = own ?? process.env['TEMPORAL_NAMESPACE']
  if (address === undefined || namespace === undefined) {
    throw new Error('TEMPORAL_ADDRESS and TEMPORAL_NAMESPACE are not set: run this test with `npm test -- <path>`')
  }
  const connection = await Connection.connect({ address })
  const nativeConnection = await NativeConnection.connect({ address })
  return {
    address,
    namespace,
    client: new Client({ connection, namespace }),
    nativeConnection,
    async close() {
      await nativeConnection.close()
      await connection.close()
    },
  }
}
