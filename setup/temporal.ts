import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CodedError } from '../errors/coded-error.js'
import { answers } from './ports.js'
import { say } from './say.js'
import { findTemporalBinary } from './temporal-binary.js'
import { createNamespace, removeNamespace, prepareNamespace } from './temporal-namespace.js'
import { servesTemporal, startTemporalServer } from './temporal-server.js'

/** A Temporal server with a namespace of our own in it, search attributes registered and usable. */
export interface FoundTemporal {
  address: string
  namespace: string
  /** The Temporal UI, where one answers. */
  uiUrl: string | null
  /** For people: which server this is. */
  how: string
  /** Stops what was started; from a server that was there already, removes the namespace. */
  stop(): Promise<void>
}

/**
 * Finds or starts a Temporal server: `TEMPORAL_ADDRESS`, else 127.0.0.1:7233, else one of our own on a private port
 * (`findTemporalBinary`). In a server that is not ours the namespace `ck-<purpose>-<random>` is made and later removed.
 * @param options.purpose `demo`, `test`, …; part of the namespace's name
 * @param options.ui whether a server of our own shows the Temporal UI; no
 * @param options.dbFile where a server of our own keeps its state; without it in memory
 * @throws CodedError `CK-SETUP-TEMPORAL` when no way is open, `CK-SETUP-SERVER` when a started one does not come up
 */
export async function findTemporal(options: {
  purpose: string
  ui?: boolean
  dbFile?: string
}): Promise<FoundTemporal> {
  const namespace = `ck-${options.purpose}-${randomBytes(4).toString('hex')}`
  const configured = process.env['TEMPORAL_ADDRESS']
  if (configured !== undefined && configured !== '') return adopt(configured, namespace, 'TEMPORAL_ADDRESS')
  if (await servesTemporal('127.0.0.1:7233')) return adopt('127.0.0.1:7233', namespace, 'found running')
  return start(namespace, options)
}

async function adopt(address: string, namespace: string, why: string): Promise<FoundTemporal> {
  const how = `${address} (${why}), namespace ${namespace}`
  say(`Temporal: ${how}`)
  try {
    await createNamespace(address, namespace)
    await prepareNamespace(address, namespace)
  } catch (error) {
    throw new CodedError('CK-SETUP-TEMPORAL', `the Temporal server at ${address} (${why}) cannot be used`, {
      cure: 'Check that it runs and lets us create a namespace, or unset TEMPORAL_ADDRESS so that one is started.',
      cause: error,
    })
  }
  return {
    address,
    namespace,
    uiUrl: await findUi(address),
    how,
    stop: () => removeNamespace(address, namespace),
  }
}

async function start(namespace: string, options: { ui?: boolean; dbFile?: string }): Promise<FoundTemporal> {
  const binary = await findTemporalBinary()
  if ('reasons' in binary) {
    throw new CodedError('CK-SETUP-TEMPORAL', `no Temporal server: ${binary.reasons.join('; ')}`, {
      cure:
        'Set TEMPORAL_ADDRESS to a server, start one on 127.0.0.1:7233, put the temporal CLI on PATH, ' +
        'or install Go 1.26.4 or later.',
    })
  }
  const folder = await mkdtemp(join(tmpdir(), 'cinderkeep-temporal-'))
  const server = await startTemporalServer({
    binary: binary.path,
    namespace,
    ui: options.ui ?? false,
    logFile: join(folder, 'temporal.log'),
    ...(options.dbFile === undefined ? {} : { dbFile: options.dbFile }),
  })
  const how = `${server.address}, started from ${binary.how}`
  say(`Temporal: ${how}`)
  const stop = async (): Promise<void> => {
    await server.process.stop()
    await rm(folder, { recursive: true, force: true })
  }
  try {
    await prepareNamespace(server.address, namespace)
  } catch (error) {
    await stop()
    throw error
  }
  return { address: server.address, namespace, uiUrl: server.uiUrl, how, stop }
}

/** The dev server's UI is on its port + 1000, the container's on 8080. */
async function findUi(address: string): Promise<string | null> {
  const { hostname, port } = new URL(`tcp://${address}`)
  for (const uiPort of [Number(port) + 1000, 8080]) {
    if (await answers(hostname, uiPort)) return `http://${hostname}:${uiPort}`
  }
  return null
}
