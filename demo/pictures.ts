/**
 * `npm run pictures`: takes the pictures of docs/temporal-ui.md. Cinderkeep's real processes bring volumes of several
 * tenants into every state, and a headless Chromium looks at them in the Temporal UI. With `--stay` all of it stays up
 * afterwards, until Ctrl-C.
 */
import { once } from 'node:events'
import { parseArgs } from 'node:util'
import { CodedError } from '../errors/coded-error.js'
import { program } from '../setup/program.js'
import { openBrowser } from './pictures-browser.js'
import { setScene } from './pictures-cloud.js'
import { picturesConfig } from './pictures-config.js'
import { takePictures } from './pictures-take.js'
import { openStage, type Stage } from './stage.js'

await program(async () => {
  const { values } = parseArgs({ options: { stay: { type: 'boolean', default: false } } })
  const stage = await openStage({ ui: true, dir: '.cache/pictures', purpose: 'pictures', config: picturesConfig })
  try {
    const scene = await setScene(stage)
    const ui = uiOf(stage)
    const browser = await openBrowser({ ui, namespace: stage.temporal.namespace })
    try {
      await takePictures(stage, scene, browser)
    } finally {
      await browser.close()
    }
    if (values.stay) {
      process.stdout.write(`Temporal UI: ${ui}/namespaces/${stage.temporal.namespace}/workflows\nCtrl-C ends it.\n`)
      await once(process, 'SIGINT')
    }
  } finally {
    await stage.close()
  }
  return 0
})

function uiOf({ temporal }: Stage): string {
  if (temporal.uiUrl !== null) return temporal.uiUrl
  throw new CodedError('CK-SETUP-TEMPORAL', `no Temporal UI answers beside the server at ${temporal.address}`, {
    cure: 'Start one on the server’s port + 1000 or on 8080, or unset TEMPORAL_ADDRESS so that a server with its UI is started.',
  })
}
