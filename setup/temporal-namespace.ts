import { Connection } from '@temporalio/client'
import { msToTs } from '@temporalio/common/lib/time.js'
import { setTimeout as sleep } from 'node:timers/promises'
import { registerSearchAttributes } from '../worker/register-search-attributes.js'
import { searchAttributes } from '../workflows/search-attributes.js'

/** Makes a namespace whose closed workflows are kept for a day. */
export async function createNamespace(address: string, namespace: string): Promise<void> {
  await withConnection(address, async (connection) => {
    await connection.workflowService.registerNamespace({
      namespace,
      description: "Made by Cinderkeep's demo or tests; may be deleted when they do not run.",
      workflowExecutionRetentionPeriod: msToTs('1 day'),
    })
  })
}

/** Registers the search attributes and returns when workflows and queries can use them. */
export async function prepareNamespace(address: string, namespace: string): Promise<void> {
  await withConnection(address, async (connection) => {
    await untilNoError(() => registerSearchAttributes(connection, namespace))
    const query = Object.values(searchAttributes)
      .map(({ name }) => `${name} is not null`)
      .join(' or ')
    await untilNoError(() => connection.workflowService.countWorkflowExecutions({ namespace, query }))
  })
}

/** Deletes the namespace with all that runs in it. Done when it is gone already. */
export async function removeNamespace(address: string, namespace: string): Promise<void> {
  await withConnection(address, async (connection) => {
    await connection.operatorService.deleteNamespace({ namespace })
  })
}

/** Servers hear of namespaces and attributes some seconds after they were made. */
async function untilNoError(ask: () => Promise<unknown>): Promise<void> {
  const end = performance.now() + 60_000
  for (;;) {
    try {
      await ask()
      return
    } catch (error) {
      if (performance.now() > end) throw error
      await sleep(200)
    }
  }
}

async function withConnection<T>(address: string, work: (connection: Connection) => Promise<T>): Promise<T> {
  const connection = await Connection.connect({ address })
  try {
    return await work(connection)
  } finally {
    await connection.close()
  }
}
