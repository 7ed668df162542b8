import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ActivityFailure, ApplicationFailure } from '@temporalio/common'
import type { WorkflowFailedError } from '@temporalio/client'
import { DefaultLogger, Runtime, Worker } from '@temporalio/worker'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { stringify } from 'yaml'
import { projectRoot } from '../../setup/project.js'
import { quiesceQueue } from '../../workflows/quiesce-messages.js'
import { connectTemporal, type TestTemporal } from '../helpers/temporal.js'
import { allThawed, createBench, freezeOf, patience, type Bench } from './bench.js'

Runtime.install({ logger: new DefaultLogger('ERROR'), shutdownSignals: [] })

/** Of the fake `virsh hostname`. */
const agentQueue = quiesceQueue('compute-7.example')
let temporal: TestTemporal
beforeAll(async () => {
  temporal = await connectTemporal()
})
afterAll(() => temporal.close())

async function startRole(bench: Bench, roles = 'quiesce') {
  const home = await mkdtemp(join(tmpdir(), 'ck-quiesce-role-'))
  const file = join(home, 'cinderkeep.yaml')
  const { address, namespace } = temporal
  // all that an agent needs: no cloud, no targets, no policies
  const config = {
    installation: randomUUID(),
    temporal: { address, namespace },
    quiesce: { dir: bench.dir, limit: '5m' },
  }
  await writeFile(file, stringify(config))
  const kept = Object.entries(process.env).filter(([key]) => !/^(OS_|TEMPORAL_|CINDERKEEP_|AMQP_)/.test(key))
  const main = join(projectRoot, 'dist/cli/main.js')
  const child = spawn(process.execPath, [main, 'run', '--role', roles, '--config', file], {
    env: { ...Object.fromEntries(kept), PATH: bench.path },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let said = ''
  child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()))
  const ended = once(child, 'exit').then(async ([code]) => {
    await rm(home, { recursive: true, force: true })
    return code as number | null
  })
  await expect.poll(() => said, patience).toContain('quiesce starts')
  return { child, ended }
}

it('the role serves its own queue, and thaws what is frozen when it is told to end', async () => {
  const bench = await createBench()
  const guest = await bench.guest()
  const role = await startRole(bench)
  const taskQueue = `one-act-${randomUUID()}`
  const worker = await Worker.create({
    ...{ connection: temporal.nativeConnection, namespace: temporal.namespace, taskQueue },
    workflowsPath: fileURLToPath(new URL('./one-act-workflow.mjs', import.meta.url)),
  })
  const { workflow } = temporal.client
  const act = async (name: string, request: object): Promise<unknown> =>
    workflow.execute('oneAct', {
      ...{ taskQueue, workflowId: randomUUID() },
      args: [{ taskQueue: agentQueue, act: name, request }],
    })

  await worker.runUntil(async () => {
    const { request, thaw } = freezeOf(guest)
    expect(await act('freezeServer', request)).toEqual({ filesystems: 2 })
    expect(await act('thawServer', thaw)).toMatchObject({ kept: true, reason: null })

    // a tombstone, as what travels: a code that a workflow can read
    const refused = await act('freezeServer', request).catch((error: unknown) => error as WorkflowFailedError)
    const cause = (refused as WorkflowFailedError).cause
    expect(cause).toBeInstanceOf(ActivityFailure)
    expect((cause as ActivityFailure).cause).toBeInstanceOf(ApplicationFailure)
    expect(((cause as ActivityFailure).cause as ApplicationFailure).type).toBe('CK-QUIESCE-TOO-LATE')

    const next = freezeOf(guest)
    await act('freezeServer', next.request)
    expect(guest.frozen()).toBe(true)
    role.child.kill('SIGTERM')
    expect(await role.ended).toBe(0)
    await allThawed(bench, guest)

    const again = await startRole(bench)
    const reason = { code: 'CK-QUIESCE-NOT-FROZEN' }
    expect(await act('thawServer', next.thaw)).toMatchObject({ kept: false, reason })
    again.child.kill('SIGTERM')
    expect(await again.ended).toBe(0)
  })
})
