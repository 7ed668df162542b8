/**
 * `npm run bench [-- FIGURE… --postgres --json FILE]`: the figures of design section 10, each beside its bare counterpart
 * in the same run.
 */
import { writeFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { program } from '../setup/program.js'
import { say } from '../setup/say.js'
import { archives } from './archives.js'
import type { Figure, Row } from './figure.js'
import { ignoring } from './ignoring.js'
import { latency } from './latency.js'
import { describeMachine, load } from './machine.js'
import { memory } from './memory.js'
import { openPlace } from './place.js'
import { asTable, withVerdicts } from './report.js'
import { signalling } from './signalling.js'

const figures: Figure[] = [latency, ignoring, signalling, archives, memory]

const usage = [
  'Usage: npm run bench [-- [FIGURE…] [--postgres] [--json FILE] [--profile FOLDER] [--smoke]]',
  `Figures: ${figures.map(({ name }) => name).join(', ')}; without any, all of them.`,
  '--postgres   on a Temporal server that keeps its state in PostgreSQL; built with Go the first time',
  '--json       writes the table as JSON too',
  '--profile    writes a CPU profile of each process there',
  '--smoke      a moment of each: shows that they run, and no figure',
].join('\n')

await program(async () => {
  const { values, positionals } = parseArgs({
    options: {
      postgres: { type: 'boolean', default: false },
      json: { type: 'string' },
      profile: { type: 'string' },
      smoke: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
    allowPositionals: true,
  })
  const unknown = positionals.filter((name) => figures.every((figure) => figure.name !== name))
  if (values.help || unknown.length > 0) {
    const complaint = unknown.length > 0 ? `There is no figure ${unknown.join(', ')}.\n` : ''
    process.stderr.write(`${complaint}${usage}\n`)
    return unknown.length > 0 ? 2 : 0
  }
  const chosen = positionals.length === 0 ? figures : figures.filter(({ name }) => positionals.includes(name))
  const before = load()
  const place = await openPlace({ postgres: values.postgres, profile: values.profile ?? null })
  const rows: Row[] = []
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      say('interrupted, stopping')
      void place.close().finally(() => process.exit(130))
    })
  }
  try {
    for (const figure of chosen) {
      const started = performance.now()
      say(`measuring ${figure.name}`)
      rows.push(...(await figure.measure(place, values.smoke ? 'smoke' : 'full')))
      say(`measured ${figure.name} (${((performance.now() - started) / 1000).toFixed(0)} s)`)
    }
  } finally {
    await place.close()
  }
  const machine = { ...describeMachine(), temporal: place.server, loadBefore: before, loadAfter: load() }
  process.stdout.write(`${asTable(rows, machine)}\n`)
  if (values.json !== undefined) {
    await writeFile(values.json, `${JSON.stringify({ ...machine, rows: withVerdicts(rows) }, null, 2)}\n`)
  }
  return 0
})
