/**
 * `npm run demo`: Cinderkeep's real processes on an OpenStack in one process. Volumes are archived from notifications
 * while everything that can go wrong does; every claim is checked, and the exit code is 0 only if all of them hold.
 * With `--stay` all of it stays up afterwards, with the Temporal UI, until Ctrl-C.
 */
import { once } from 'node:events'
import { parseArgs } from 'node:util'
import { program } from '../setup/program.js'
import * as acts from './acts.js'
import { consumersOf } from './broker.js'
import { directPath } from './direct-path.js'
import { checkLeftovers } from './leftovers.js'
import { report } from './report.js'
import { createScript, type Script } from './script.js'
import { openStage, type Stage } from './stage.js'
import { tenantOf } from './tenant.js'
import { pointsOf, waitFor } from './watch.js'

await program(async () => {
  const { values } = parseArgs({ options: { stay: { type: 'boolean', default: false } } })
  const interrupted = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => {
      interrupted.abort(signal)
    })
  const stopped = once(interrupted.signal, 'abort').then(() => 'interrupted' as const)
  const script = createScript()
  let isInterrupted = false
  const stage = await openStage({ ui: values.stay })
  try {
    const end = await Promise.race([play(stage, script), stopped])
    isInterrupted = end === 'interrupted'
    if (isInterrupted) return 130
    if (values.stay) {
      process.stdout.write(`\nTemporal UI: ${uiOf(stage)}\nCtrl-C ends it.\n`)
      await stopped
    }
  } finally {
    await stage.close()
    // the play knows nothing of it and would wait for what can no longer come
    if (isInterrupted) process.exit(130)
  }
  for (const what of script.broken) process.stdout.write(`NOT AS IT MUST BE: ${what}\n`)
  return script.broken.length === 0 ? 0 : 1
})

async function play(stage: Stage, script: Script): Promise<void> {
  const on = { stage, script }
  const { sandbox, roles } = stage
  script.act('Cinderkeep starts: listener, control, mover')
  for (const role of ['listener', 'control', 'mover'] as const) roles.start(role)
  await waitFor('the listener', async () => ((await consumersOf(stage.amqpUrl, stage.queue)) > 0 ? true : null))

  const payments = await tenantOf(sandbox, 'payments')
  const research = await tenantOf(sandbox, 'research')
  const web = await tenantOf(sandbox, 'web')
  const gold = { metadata: { archive: 'gold' } }
  const ledger = await payments.createVolume('ledger', gold)
  const orders = await payments.createVolume('orders', gold)
  const notes = await research.createVolume('notes', gold)
  const samples = await research.createVolume('samples', gold)
  const results = await research.createVolume('results', gold)
  const template = await web.createVolume('template')

  await acts.damagedBackup(on, research, notes)
  await acts.unavailableCinder(on, payments, ledger)
  await acts.lostAnswers(on, payments, orders)
  await acts.killedControl(on, research, samples)
  await acts.killedMover(on, research, results)
  const site = await acts.newVolume(on, web, template)
  script.act('Copies that are still being read back')
  await script.together()
  await acts.cancelledEntity(on, ledger)
  await acts.terminatedEntity(on, payments, orders)
  await acts.healed(on, notes)

  await directPath(on)

  script.act('At the end')
  const volumes = [ledger, orders, notes, samples, results, site]
  script.check('the excluded template was left alone', (await pointsOf(stage, template.id)).length === 0)
  await checkLeftovers(on, volumes.length + 1)
  await report(on, volumes)
}

function uiOf({ temporal }: Stage): string {
  if (temporal.uiUrl === null) return `none answers beside the server at ${temporal.address}`
  return `${temporal.uiUrl}/namespaces/${temporal.namespace}/workflows`
}
