/** One act of a target in a process of its own, to be killed: JSON on stdin, what it is doing on stdout. Runs what was compiled. */
/* global AbortSignal, Buffer */
import { setTimeout } from 'node:timers/promises'
import { silentLog } from '../../dist/log/log.js'
import { openSources } from '../../dist/source/open-sources.js'
import { sourcesOptions } from '../../dist/source/options.js'
import { openTargets } from '../../dist/targets/open-targets.js'
import { targetsOptions } from '../../dist/targets/options.js'

const chunks = []
for await (const chunk of process.stdin) chunks.push(chunk)
const { act, given, options, sources, installation, cephPace } = JSON.parse(Buffer.concat(chunks).toString('utf8'))

const targets = openTargets(targetsOptions.parse({ second: options }), {
  cinder: undefined,
  sources: openSources(sourcesOptions.parse(sources)),
  installation,
  log: silentLog,
  cephPace,
})
const target = targets.get('second')
// the time that the act may be killed in begins here, not with the start of Node
console.log('begun')
let told = ''
const report = ({ phase }) => {
  if (phase !== told) console.log(phase)
  told = phase
}
// slow enough that kills fall among the bytes as well
const throttle = async (bytes) => setTimeout(bytes / 16_000)
const context = { signal: AbortSignal.timeout(600_000), report, throttle }
if (act === 'write') await target.writeCopy(given, null, context)
else if (act === 'verify') await target.verifyCopy(given, null, context)
else await target.removeCopy(given, context)
