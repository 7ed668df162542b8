import { bundleWorkflowCode, DefaultLogger } from '@temporalio/worker'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** Bundles the bare workflows into a folder, as the build does with ours: no worker's memory holds a bundler's work. */
export async function writeBareBundle(folder: string): Promise<string> {
  const workflowsPath = fileURLToPath(new URL('./bare-workflows.js', import.meta.url))
  const { code } = await bundleWorkflowCode({ workflowsPath, logger: new DefaultLogger('WARN') })
  const path = join(folder, 'bare-workflows.js')
  await writeFile(path, code)
  return path
}
