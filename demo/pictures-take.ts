import { join } from 'node:path'
import type { Page } from 'playwright-core'
import type { Volume } from '../openstack/cinder.js'
import { projectRoot } from '../setup/project.js'
import { volumeWorkflowId, workflowTypes } from '../workflows/messages.js'
import { archiveColumns, savedViews, volumeColumns, type Browser } from './pictures-browser.js'
import type { Scene } from './pictures-cloud.js'
import type { Stage } from './stage.js'

/** Takes every picture of docs/temporal-ui.md. */
export async function takePictures(stage: Stage, scene: Scene, browser: Browser): Promise<void> {
  const view = (name: string): string => {
    const query = savedViews.find((one) => one.name === name)?.query ?? ''
    return `workflows?query=${encodeURIComponent(query)}`
  }
  const take = async (name: string, path: string, settle?: (page: Page) => Promise<void>): Promise<void> => {
    const page = await browser.open(path)
    await settle?.(page)
    await page.waitForTimeout(1500)
    await page.screenshot({ path: join(projectRoot, 'docs', 'pictures', `${name}.png`) })
    process.stdout.write(`docs/pictures/${name}.png\n`)
  }
  const archiveOf = async (volume: Volume): Promise<string> => {
    const query = `WorkflowType = '${workflowTypes.archiveVolume}' AND name = '${volume.name}'`
    for await (const { workflowId, runId } of stage.client.workflow.list({ query })) return pathOf(workflowId, runId)
    throw new Error(`${volume.name} has no archive`)
  }
  const entityOf = async ({ id }: Volume): Promise<string> => {
    const { workflowId, runId } = await stage.client.workflow.getHandle(volumeWorkflowId(id)).describe()
    return pathOf(workflowId, runId)
  }

  await browser.setColumns(volumeColumns)
  await take('volumes', view('Volumes'))
  await take('retrying-archive', `${await archiveOf(scene.returns)}/pending-activities`)
  await take('running-archive', `${await archiveOf(scene.warehouse)}/timeline`)
  await take('running-archive-details', `${await archiveOf(scene.warehouse)}/user-metadata`)
  await take('running-archive-pending', `${await archiveOf(scene.warehouse)}/pending-activities`)
  await take('failed-archive', `${await archiveOf(scene.invoices)}/timeline`)
  await take('failed-archive-history', `${await archiveOf(scene.invoices)}/history`)
  await take('damaged-archive', `${await archiveOf(scene.notes)}/user-metadata`)
  await take('finished-archive', `${await archiveOf(scene.ledger)}/timeline`)
  await take('finished-archive-history', `${await archiveOf(scene.ledger)}/history`)
  await take('volume', `${await entityOf(scene.ledger)}/user-metadata`)
  await take('volume-failing', `${await entityOf(scene.invoices)}/user-metadata`)
  await browser.setColumns(archiveColumns)
  await take('archives', view('Archives'))
}

/** The UI decodes ids twice. */
function pathOf(workflowId: string, runId: string): string {
  return `workflows/${encodeURIComponent(encodeURIComponent(workflowId))}/${runId}`
}
