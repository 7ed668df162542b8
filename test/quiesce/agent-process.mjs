/** An agent in a process of its own, to be killed: `DIR LIMIT`, requests as JSON lines on stdin, answers on stdout. Runs what was compiled. */
import { createInterface } from 'node:readline'
import { createLog } from '../../dist/log/log.js'
import { openAgent } from '../../dist/quiesce/open-agent.js'

const [dir, limit] = process.argv.slice(2)
const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`)
const virsh = { uri: 'qemu:///system', env: { PATH: process.env.PATH, LC_ALL: 'C' } }
const agent = await openAgent({ dir, limitSeconds: Number(limit), virsh, log: createLog('error') })
process.on('SIGTERM', () => {
  void agent.end().then(() => process.exit(0))
})
say({ ready: true })
createInterface(process.stdin).on('line', (line) => {
  const { id, act, request } = JSON.parse(line)
  agent.acts[act](request).then(
    (answer) => say({ id, answer }),
    (error) => say({ id, error: { code: error.code ?? 'none', message: error.message } }),
  )
})
