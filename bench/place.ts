import { Client, Connection } from '@temporalio/client'
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { withSmallHeap } from '../cli/small-heap.js'
import { findServices } from '../setup/services.js'
import { createNamespace, prepareNamespace, removeNamespace } from '../setup/temporal-namespace.js'
import { startPostgresTemporal } from '../setup/temporal-postgres.js'
import { writeBareBundle } from './bare-bundle.js'
import { startChild, type Child } from './child.js'

/** Where figures are measured: the servers, and a folder for logs. */
export interface Place {
  /** For people: which Temporal server. */
  server: string
  amqpUrl: string
  dir: string
  logFile: string
  openNamespace(): Promise<BenchNamespace>
  close(): Promise<void>
}

/** A namespace of one figure's own, so that what one leaves behind slows down no other. */
export interface BenchNamespace {
  address: string
  name: string
  client: Client
  /** Starts a process of the bench that works in the namespace; it is stopped with it. */
  start(script: string, env?: Record<string, string>): Promise<Child>
  close(): Promise<void>
}

/**
 * Finds or starts the servers as tests do.
 * @param options.postgres a Temporal server of our own that keeps its state in PostgreSQL
 * @param options.profile a folder for CPU profiles of the processes, or null
 * @throws CodedError as `findServices` and `startPostgresTemporal`
 */
export async function openPlace(options: { postgres: boolean; profile: string | null }): Promise<Place> {
  const dir = await mkdtemp(join(tmpdir(), 'cinderkeep-bench-'))
  const undo: (() => Promise<void>)[] = [() => rm(dir, { recursive: true, force: true })]
  const close = async (): Promise<void> => {
    for (const act of undo.splice(0).reverse()) await act()
  }
  try {
    let server = 'dev server'
    if (options.postgres) {
      const own = await startPostgresTemporal()
      undo.push(() => own.stop())
      server = own.how
      // found like any other server from here on
      process.env['TEMPORAL_ADDRESS'] = own.address
    }
    const services = await findServices({ purpose: 'bench' })
    undo.push(() => services.stop())
    const { TEMPORAL_ADDRESS: address = '', AMQP_URL: amqpUrl = '' } = services.env
    const logFile = join(dir, 'bench.log')
    const bareBundle = await writeBareBundle(dir)
    return {
      ...{ server, amqpUrl, dir, logFile, close },
      openNamespace: () => openNamespace({ address, amqpUrl, logFile, bareBundle, profile: options.profile }),
    }
  } catch (error) {
    await close()
    throw error
  }
}

async function openNamespace(place: {
  address: string
  amqpUrl: string
  logFile: string
  bareBundle: string
  profile: string | null
}): Promise<BenchNamespace> {
  const { address, amqpUrl, logFile, bareBundle, profile } = place
  const name = `ck-bench-${randomBytes(4).toString('hex')}`
  await createNamespace(address, name)
  await prepareNamespace(address, name)
  const connection = await Connection.connect({ address })
  const children: Child[] = []
  const env = { TEMPORAL_ADDRESS: address, TEMPORAL_NAMESPACE: name, AMQP_URL: amqpUrl, BARE_BUNDLE: bareBundle }
  return {
    ...{ address, name },
    client: new Client({ connection, namespace: name }),
    async start(script, more = {}) {
      // workers as `cinderkeep run` starts ours
      const all = { ...env, ...more }
      const started = script.endsWith('client') || script === 'listener' ? all : withSmallHeap(all)
      const child = await startChild(script, { env: started, logFile, profile })
      children.push(child)
      return child
    },
    async close() {
      await Promise.all(children.map((child) => child.stop()))
      await connection.close()
      await removeNamespace(address, name)
    },
  }
}
