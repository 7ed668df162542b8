import { Connection } from '@temporalio/client'
import { freePorts } from './ports.js'
import { type ServerProcess, startServer, waitUntilReady } from './server-process.js'

/** A Temporal dev server of our own on a private port. */
export interface TemporalServer {
  address: string
  uiUrl: string | null
  process: ServerProcess
}

/**
 * Starts `temporal server start-dev` on 127.0.0.1 and waits until it serves the namespace.
 * @param options.dbFile where its state is kept; without it in memory
 * @throws CodedError `CK-SETUP-SERVER`
 */
export async function startTemporalServer(options: {
  binary: string
  namespace: string
  ui: boolean
  logFile: string
  dbFile?: string
}): Promise<TemporalServer> {
  const [port = 0, uiPort = 0, metricsPort = 0] = await freePorts(3)
  const address = `127.0.0.1:${port}`
  const args = ['server', 'start-dev', '--ip', '127.0.0.1', '--port', String(port), '--namespace', options.namespace]
  args.push('--metrics-port', String(metricsPort), '--log-level', 'warn')
  args.push(...(options.ui ? ['--ui-port', String(uiPort), '--ui-disable-news-fetch'] : ['--headless']))
  if (options.dbFile !== undefined) args.push('--db-filename', options.dbFile)
  const process = startServer({
    name: 'the Temporal dev server',
    command: options.binary,
    args,
    logFile: options.logFile,
  })
  await waitUntilReady(process, () => servesTemporal(address, options.namespace))
  return { address, uiUrl: options.ui ? `http://127.0.0.1:${uiPort}` : null, process }
}

/** Whether a Temporal server answers there within 3 s, and knows the namespace when one is given. */
export async function servesTemporal(address: string, namespace?: string): Promise<boolean> {
  let connection: Connection | undefined
  try {
    connection = await Connection.connect({ address, connectTimeout: 3000 })
    if (namespace !== undefined) await connection.workflowService.describeNamespace({ namespace })
    return true
  } catch {
    return false // not yet, or something else lives there
  } finally {
    await connection?.close()
  }
}
