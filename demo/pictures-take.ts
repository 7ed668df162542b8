import { join } from 'node:path'
import type { Volume } from '../openstack/cinder.js'
import { projectRoot } from '../setup/project.js'
import { permitsWorkflowId, volumeWorkflowId, workflowTypes } from '../workflows/messages.js'
import { archiveColumns, savedViews, volumeColumns, type Browser } from './pictures-browser.js'
import type { Scene } from './pictures-cloud.js'
import type { Stage } from './stage.js'

/** The bar on the left and the one on top are the same everywhere. */
const margin = { x: 50, y: 50 }
const pictureWidth = 1550

/** Takes every picture of docs/temporal-ui.md. */
export async function takePictures({ client }: Stage, scene: Scene, browser: Browser): Promise<void> {
  const take = async (name: string, height: number, path: string): Promise<void> => {
    const page = await browser.open(path, height + margin.y)
    const clip = { ...margin, width: pictureWidth, height }
    await page.screenshot({ path: join(projectRoot, 'docs', 'pictures', `${name}.png`), clip })
    process.stdout.write(`docs/pictures/${name}.png\n`)
  }
  const archiveOf = async (volume: Volume, status: string): Promise<string> => {
    const query = `WorkflowType = '${workflowTypes.archiveVolume}' AND name = '${volume.name}' AND ExecutionStatus = '${status}'`
    for await (const { workflowId, runId } of client.workflow.list({ query })) return pathOf(workflowId, runId)
    throw new Error(`${volume.name} has no archive that is ${status}`)
  }
  const runOf = async (id: string): Promise<string> => (await client.workflow.getHandle(id).describe()).runId
  const entityOf = async ({ id }: Volume): Promise<string> =>
    pathOf(volumeWorkflowId(id), await runOf(volumeWorkflowId(id)))

  // what fails is tried again after a minute: that comes first
  await browser.setColumns(volumeColumns)
  await take('volumes', 690, listOf('Volumes'))
  await take('volume-failing', 860, `${await entityOf(scene.invoices)}/user-metadata`)
  await take('permits', 700, `${pathOf(permitsWorkflowId, await runOf(permitsWorkflowId))}/user-metadata`)
  await take('retrying-activity', 760, `${await archiveOf(scene.returns, 'Running')}/pending-activities`)
  const running = await archiveOf(scene.warehouse, 'Running')
  await take('running-archive', 920, `${running}/user-metadata`)
  await take('running-activity', 570, `${running}/pending-activities`)
  const failed = await archiveOf(scene.invoices, 'Failed')
  await take('failed-archive', 940, `${failed}/timeline`)
  await take('failed-archive-details', 980, `${failed}/user-metadata`)
  await take('damaged-archive-details', 920, `${await archiveOf(scene.notes, 'Failed')}/user-metadata`)
  const finished = await archiveOf(scene.ledger, 'Completed')
  await take('finished-archive', 1020, `${finished}/timeline`)
  await take('finished-archive-history', 1100, `${finished}/history`)
  await take('finished-archive-details', 920, `${finished}/user-metadata`)
  await take('volume', 880, `${await entityOf(scene.ledger)}/user-metadata`)
  await browser.setColumns(archiveColumns)
  await take('archives', 840, listOf('Archives'))
}

function listOf(view: string): string {
  const query = savedViews.find(({ name }) => name === view)?.query
  if (query === undefined) throw new Error(`there is no view ${view}`)
  return `workflows?query=${encodeURIComponent(query)}`
}

function pathOf(workflowId: string, runId: string): string {
  return `workflows/${encodeURIComponent(workflowId)}/${runId}`
}
