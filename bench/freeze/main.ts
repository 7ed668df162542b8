/**
 * `npm run bench:freeze [-- --rounds N --json FILE]`: for how long a running guest's filesystems stand still while snapshots
 * of 1, 2 and 4 of its volumes are made, by us and by Nova's own `createImage`, on the same guest in turn. Needs
 * `lab/lab up nova`. Both are read from libvirt's log: from the command to freeze until the command to thaw.
 */
import { writeFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { table } from '../../cli/table.js'
import { labEnvironment } from '../../setup/lab-environment.js'
import { program } from '../../setup/program.js'
import { say } from '../../setup/say.js'
import { findServices, withServices } from '../../setup/services.js'
import { labCloud } from '../../test/helpers/lab-cloud.js'
import { labWithServers } from '../../test/lab-nova/helpers/lab-servers.js'
import { describeMachine, load } from '../machine.js'
import { summary } from '../rounds.js'
import { measureFreezes, type Freezes } from './measure.js'

const counts = [1, 2, 4]
/** Design section 10: for two volumes, at the median. */
const goalMs = 1500

await program(async () => {
  const { values } = parseArgs({
    options: { rounds: { type: 'string', default: '5' }, json: { type: 'string' } },
  })
  Object.assign(process.env, await labEnvironment())
  const services = await findServices({ purpose: 'lab', rabbit: false })
  Object.assign(process.env, services.env)
  return withServices(services, async () => {
    const lab = labWithServers()
    const cloud = await labCloud(lab, lab.os)
    const before = load()
    const rows: Freezes[] = []
    for (const volumes of counts) {
      say(`measuring ${String(volumes)} volumes`)
      rows.push(await measureFreezes(lab, cloud, volumes, Number(values.rounds)))
    }
    cloud.session.close()
    const machine = { ...describeMachine(), loadBefore: before, loadAfter: load() }
    process.stdout.write(`${JSON.stringify(machine)}\n${asTable(rows)}\n`)
    if (values.json !== undefined) await writeFile(values.json, `${JSON.stringify({ ...machine, rows }, null, 2)}\n`)
    return 0
  })
})

function asTable(rows: Freezes[]): string {
  const shown = (all: number[]) =>
    `${seconds(summary(all).median)} (${seconds(Math.min(...all))}–${seconds(Math.max(...all))})`
  return table(
    ['volumes', 'frozen by us', 'by createImage', 'goal'],
    rows.map(({ volumes, ours, nova }) => {
      const reached = summary(ours).median <= goalMs ? 'reached' : 'missed'
      return [String(volumes), shown(ours), shown(nova), volumes === 2 ? `≤ 1.5 s: ${reached}` : '-']
    }),
  )
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(2)} s`
}
