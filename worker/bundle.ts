import { bundleWorkflowCode } from '@temporalio/worker'
import { writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'

/** Where the built bundle lies; workers load it instead of bundling at each start. */
export const bundlePath = fileURLToPath(new URL('../workflow-bundle.js', import.meta.url))

/** Bundles the workflows for Temporal's sandbox; run by the build. */
export async function writeBundle(): Promise<void> {
  const { code } = await bundleWorkflowCode({
    workflowsPath: fileURLToPath(new URL('../workflows/index.js', import.meta.url)),
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

if (process.argv[1] === fileURLToPath(import.meta.url)) await writeBundle()
