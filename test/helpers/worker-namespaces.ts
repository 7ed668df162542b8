import type { TestProject } from 'vitest/node'
import { createNamespace, prepareNamespace, removeNamespace } from '../../setup/temporal-namespace.js'
import { namespaceOfWorker, testRun } from './temporal.js'

/**
 * Vitest's global setup of the integration tests: a namespace for each of its workers. Files that run side by side never
 * share one; those that run one after the other do.
 */
export default async function makeNamespaces({ config }: TestProject): Promise<() => Promise<void>> {
  const { address, namespace } = testRun()
  const names = Array.from({ length: config.maxWorkers }, (_, index) => namespaceOfWorker(namespace, index + 1))
  await Promise.all(
    names.map(async (name) => {
      await createNamespace(address, name)
      await prepareNamespace(address, name)
    }),
  )
  return async () => {
    for (const name of names) await removeNamespace(address, name)
  }
}
