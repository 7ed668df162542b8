/**
 * `npm run bench:data [-- FIGURE… --rounds N --json FILE]`: the data path on the lab's two clusters, beside the tools of Ceph
 * alone and Cinder's own backup driver, on the same volume in the same run.
 */
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { program } from '../../setup/program.js'
import { say } from '../../setup/say.js'
import { describeMachine, load } from '../machine.js'
import { dataLab } from './lab.js'
import { asDataTable, toFigures } from './report.js'
import { dataFigures, type DataRow } from './rows.js'

const usage = [
  'Usage: npm run bench:data [-- [FIGURE…] [--rounds N] [--json FILE] [--profile FOLDER]], with a lab that is up',
  `Figures: ${dataFigures.map(({ name }) => name).join(', ')}; without any, all of them.`,
].join('\n')

await program(async () => {
  const { values, positionals } = parseArgs({
    options: {
      rounds: { type: 'string', default: '3' },
      json: { type: 'string' },
      profile: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
    allowPositionals: true,
  })
  const unknown = positionals.filter((name) => dataFigures.every((figure) => figure.name !== name))
  if (values.help || unknown.length > 0 || !/^[1-9]\d?$/.test(values.rounds)) {
    process.stderr.write(`${usage}\n`)
    return values.help ? 0 : 2
  }
  const lab = dataLab()
  const chosen = positionals.length === 0 ? dataFigures : dataFigures.filter(({ name }) => positionals.includes(name))
  const dir = await mkdtemp(join(tmpdir(), 'cinderkeep-bench-data-'))
  const before = load()
  const rows: DataRow[] = []
  try {
    const macKeyFile = join(dir, 'mac.key')
    await writeFile(macKeyFile, randomBytes(64), { mode: 0o600 })
    const place = { lab, macKeyFile, logFile: join(dir, 'mover.log'), profile: values.profile ?? null }
    for (const figure of chosen) {
      say(`measuring ${figure.name}`)
      rows.push(...(await figure.measure(place, Number(values.rounds))))
    }
  } finally {
    await rm(dir, { recursive: true, force: true })
  }
  const machine = { ...describeMachine(), loadBefore: before, loadAfter: load() }
  const figures = rows.map(toFigures)
  process.stdout.write(`${asDataTable(figures, machine)}\n`)
  if (values.json !== undefined)
    await writeFile(values.json, `${JSON.stringify({ ...machine, rows: figures }, null, 2)}\n`)
  return 0
})
