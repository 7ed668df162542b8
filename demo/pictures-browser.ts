import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { chromium, type BrowserContext, type Page } from 'playwright-core'
import { findChromium } from '../setup/chromium.js'

/** The columns that docs/temporal-ui.md advises for volumes, in their order. */
export const volumeColumns = [
  ...['name', 'project', 'protection', 'policy', 'verified', 'consistency', 'points', 'target', 'due'],
  'Workflow ID',
]
/** The same for archives. */
export const archiveColumns = [
  ...['Status', 'name', 'project', 'phase', 'consistency', 'policy', 'target', 'Start', 'End'],
  'Workflow ID',
]

/** Views that an operator saves once; docs/temporal-ui.md has the same. */
export const savedViews = [
  { name: 'Volumes', query: 'WorkflowType="watchVolume" AND ExecutionStatus="Running"' },
  {
    name: 'Volumes failing',
    query: 'WorkflowType="watchVolume" AND ExecutionStatus="Running" AND protection="failing"',
  },
  { name: 'Archives', query: 'WorkflowType="archiveVolume"' },
  { name: 'Archives failed', query: 'WorkflowType="archiveVolume" AND ExecutionStatus="Failed"' },
]

const width = 1600
/** How long the UI may take to fetch and draw; seconds on a busy machine. */
const drawingMs = 5000

/** A browser that an operator has set up for one namespace of one Temporal UI. */
export interface Browser {
  /** Opens a page below the namespace in a window of this height, and gives it time to draw. */
  open(path: string, height: number): Promise<Page>
  /** What the list of workflows shows from the next page on. */
  setColumns(columns: string[]): Promise<void>
  close(): Promise<void>
}

/**
 * Starts a headless Chromium with an empty profile.
 * @param options.ui the UI's address
 * @throws CodedError `CK-SETUP-CHROMIUM`
 */
export async function openBrowser(options: { ui: string; namespace: string }): Promise<Browser> {
  const { ui, namespace } = options
  const profile = await mkdtemp(join(tmpdir(), 'cinderkeep-chromium-'))
  const remove = (): Promise<void> => rm(profile, { recursive: true, force: true })
  let context: BrowserContext
  try {
    context = await chromium.launchPersistentContext(profile, {
      executablePath: await findChromium(),
      args: [
        '--no-sandbox',
        '--disable-gpu',
        '--disable-quic',
        '--no-first-run',
        '--disable-background-networking',
        '--disable-component-update',
        '--disable-sync',
      ],
      viewport: { width, height: 1000 },
      colorScheme: 'light',
      locale: 'en-GB',
      timezoneId: 'UTC',
    })
  } catch (error) {
    await remove()
    throw error
  }
  const close = async (): Promise<void> => {
    await context.close()
    await remove()
  }
  const page = context.pages()[0] ?? (await context.newPage())
  const setColumns = async (columns: string[]): Promise<void> => {
    await store(page, {
      'namespace-workflow-table-columns': {
        [namespace]: columns.map((label, at) => ({ label, pinned: at === 0 })),
      },
    })
  }
  try {
    // the UI keeps its settings in the browser, per origin: something of it must be open to set them
    await page.goto(ui, { waitUntil: 'load' })
    await store(page, {
      'saved-workflow-queries': {
        [namespace]: savedViews.map((view, at) => ({ id: String(at), ...view, type: 'user' })),
      },
      navOpen: false,
      timeFormat: 'UTC',
      timeFormatType: 'absolute',
      timestampFormat: 'short',
      tableDensity: 'dense',
      eventView: 'compact',
    })
  } catch (error) {
    await close()
    throw error
  }
  return {
    setColumns,
    close,
    async open(path, height) {
      await page.setViewportSize({ width, height })
      await page.goto(`${ui}/namespaces/${namespace}/${path}`, { waitUntil: 'load' })
      // the pages of what runs poll for ever: none of them is ever idle
      await page.waitForTimeout(drawingMs)
      return page
    },
  }
}

/** As the UI itself writes its settings. */
async function store(page: Page, settings: Record<string, unknown>): Promise<void> {
  const written = Object.entries(settings).map(([name, value]): [string, string] => [name, JSON.stringify(value)])
  await page.evaluate(`for (const [name, value] of ${JSON.stringify(written)}) localStorage.setItem(name, value)`)
}
