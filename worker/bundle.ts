import { bundleWorkflowCode } from '@temporalio/worker'
import { writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'

/** Where the built bundle lies; workers load it instead of bundling at each start. */
export const bundlePath = fileURLToPath(new URL('../workflow-bundle.js', import.meta.url))

/** Bundles the workflows for Temporal's sandbox; run by the build. */
export async function writeBundle(): Promise<void> {
  const workflowsPath = inWorkflows('index')
  const { code } = await bundleWorkflowCode({
    workflowsPath,
    // our modules keep nothing that changes (test/layers.test.ts): all workflows may share them, instead of evaluating
    // them anew at each start and each continue-as-new
    preloadModules: [inWorkflows('stack-depth'), workflowsPath],
    // what it says about sizes interests nobody
    logger: {
      log: () => undefined,
      trace: () => undefined,
      debug: () => undefined,
      info: () => undefined,
      warn: console.error,
      error: console.error,
    },
  })
  await writeFile(bundlePath, code)
}

function inWorkflows(module: string): string {
  return fileURLToPath(new URL(`../workflows/${module}.js`, import.meta.url))
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await writeBundle()
