import { Client, Connection } from '@temporalio/client'
import { randomBytes } from 'node:crypto'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { startSandbox, type Sandbox } from '../sandbox/sandbox.js'
import { projectRoot } from '../setup/project.js'
import { findRabbit } from '../setup/rabbitmq.js'
import { findTemporal, type FoundTemporal } from '../setup/temporal.js'
import { removeQueues } from './broker.js'
import { configFile } from './config-file.js'
import { createRoles, type Roles } from './roles.js'

/** All that the demo plays on: a cloud, a broker, a Temporal server, and Cinderkeep's processes. */
export interface Stage {
  sandbox: Sandbox
  temporal: FoundTemporal
  client: Client
  roles: Roles
  amqpUrl: string
  queue: string
  /** Where configuration, log and volumes lie. */
  dir: string
  /** What is to be undone when the stage closes, before all that was there earlier. */
  atClose(undo: () => Promise<void>): void
  /** Stops and removes all of it but `cinderkeep.yaml` and the log. */
  close(): Promise<void>
}

/** What another play than the demo does otherwise. */
export interface StageOptions {
  ui: boolean
  /** Below the project's folder; emptied at the start. Default `.demo`. */
  dir?: string
  /** Part of the namespace's name; default `demo`. */
  purpose?: string
  /** What to write into `cinderkeep.yaml`. */
  config?: typeof configFile
}

/** Finds or starts everything but the roles. @throws CodedError when something is missing; nothing is left running */
export async function openStage(options: StageOptions): Promise<Stage> {
  const dir = join(projectRoot, options.dir ?? '.demo')
  await rm(dir, { recursive: true, force: true })
  await mkdir(dir, { recursive: true })
  /** What to undo, last first. */
  const undo: (() => Promise<void>)[] = []
  const close = async (): Promise<void> => {
    const troubles: unknown[] = []
    for (let act = undo.pop(); act !== undefined; act = undo.pop()) {
      await act().catch((error: unknown) => troubles.push(error))
    }
    if (troubles.length > 0) throw troubles[0]
  }
  try {
    const temporal = await findTemporal({ purpose: options.purpose ?? 'demo', ui: options.ui })
    undo.push(() => temporal.stop())
    const rabbit = await findRabbit()
    undo.push(() => rabbit.stop())
    const queue = `ck-demo-${randomBytes(4).toString('hex')}`
    undo.push(() => removeQueues(rabbit.url, queue))
    const volumes = join(dir, 'volumes')
    undo.push(() => rm(volumes, { recursive: true, force: true }))
    const sandbox = await startSandbox({
      dir: volumes,
      amqpUrl: rabbit.url,
      topic: `${queue}-notifications`,
      // long enough for a process to be killed in the middle
      delays: { 'snapshot.create': 300, 'backup.create': 1500, 'backup.restore': 1500 },
    })
    undo.push(() => sandbox.close())
    const connection = await Connection.connect({ address: temporal.address })
    undo.push(() => connection.close())
    const client = new Client({ connection, namespace: temporal.namespace })
    const file = join(dir, 'cinderkeep.yaml')
    await writeFile(file, (options.config ?? configFile)({ queue, bind: sandbox.bind, dir: volumes }))
    const env = environment({
      ...sandbox.env,
      AMQP_URL: rabbit.url,
      TEMPORAL_ADDRESS: temporal.address,
      TEMPORAL_NAMESPACE: temporal.namespace,
    })
    const roles = createRoles({ configFile: file, env, logFile: join(dir, 'cinderkeep.log') })
    undo.push(() => roles.stop())
    const atClose = (act: () => Promise<void>) => void undo.push(act)
    return { sandbox, temporal, client, roles, amqpUrl: rabbit.url, queue, dir, atClose, close }
  } catch (error) {
    await close()
    throw error
  }
}

/** Ours, without what would lead to another cloud or another configuration. */
export function environment(given: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(([name]) => !/^(OS_|CINDERKEEP_)/.test(name))
  return { ...Object.fromEntries(kept), ...given }
}
