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
 * Where the tests run.
 * @throws Error outside of `npm test`
 */
export function testRun(): { address: string; namespace: string } {
  const address = process.env['TEMPORAL_ADDRESS']
  const namespace = process.env['TEMPORAL_NAMESPACE']
  if (address !== undefined && namespace !== undefined) return { address, namespace }
  throw new Error('TEMPORAL_ADDRESS and TEMPORAL_NAMESPACE are not set: run this test with `npm test -- <path>`')
}

/** @param worker counts from 1: vitest's `VITEST_POOL_ID` */
export function namespaceOfWorker(namespace: string, worker: number | string): string {
  return `${namespace}-${worker}`
}

/**
 * Connects to the test run's Temporal server. The namespace is shared by all files that this vitest worker runs, one after
 * the other: use unique workflow ids and task queues. Close it after the last worker has ended.
 * @param own another namespace than that
 */
export async function connectTemporal(own?: string): Promise<TestTemporal> {
  const { address, namespace: ofRun } = testRun()
  const namespace = own ?? namespaceOfWorker(ofRun, process.env['VITEST_POOL_ID'] ?? '1')
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
