/**
 * A `virsh` for servers of the sandbox: `--connect sandbox+http://127.0.0.1:PORT[/HYPERVISOR]`. It knows `domstate`,
 * `domfsfreeze`, `domfsthaw` and `hostname`, and prints and exits as virsh 9.0 does, which was watched: with `--quiet` a
 * freeze and a thaw print nothing, and a refusal has two lines.
 */
import { z } from 'zod'
import { defaultHypervisor, domainWords } from './virsh-words.js'

interface Asked {
  quiet: boolean
  uri: string
  command: string
  args: string[]
}

process.exitCode = await run(read(process.argv.slice(2)))

function read(words: string[]): Asked {
  const asked: Asked = { quiet: false, uri: process.env['LIBVIRT_DEFAULT_URI'] ?? '', command: '', args: [] }
  while (words.length > 0) {
    const word = words.shift() ?? ''
    if (asked.command !== '') asked.args.push(word)
    else if (word === '-q' || word === '--quiet') asked.quiet = true
    else if (word === '-c' || word === '--connect') asked.uri = words.shift() ?? ''
    else if (word.startsWith('--connect=')) asked.uri = word.slice('--connect='.length)
    else asked.command = word
  }
  // `--domain UUID` names it too
  asked.args = asked.args.filter((word) => word !== '--domain')
  return asked
}

async function run({ quiet, uri, command, args }: Asked): Promise<number> {
  const address = /^sandbox\+(http:\/\/[^/]+)(?:\/(.*))?$/.exec(uri)
  const base = address?.[1]
  const hypervisor = address?.[2] === undefined || address[2] === '' ? defaultHypervisor : address[2]
  if (base === undefined) return fail('failed to connect to the hypervisor', `no such sandbox: '${uri}'`)
  const words = domainWords[command]
  if (command !== 'hostname' && words === undefined) return fail(`unknown command: '${command}'`)
  try {
    if (words === undefined) {
      await ask(base, '')
      return say(quiet, hypervisor)
    }
    const [id] = args
    if (id === undefined) return fail(`command '${command}' requires <domain> option`)
    const query = `?host=${encodeURIComponent(hypervisor)}`
    const shown = await ask(base, `/${id}${query}`)
    if (shown.status === 404) return refuse(quiet, `failed to get domain '${id}'`)
    if (words.verb === null) return say(quiet, stateOf(shown.body))
    const done = await ask(base, `/${id}/${words.verb}${query}`, 'POST')
    if (done.status !== 200) return refuse(quiet, words.failed, errorOf(done.body))
    const { filesystems } = z.object({ filesystems: z.number() }).parse(done.body)
    // virsh's vshPrintExtra: not a word of it when it is to be quiet
    return quiet ? 0 : say(quiet, `${words.did} ${filesystems} filesystem(s)`)
  } catch (error) {
    return fail('failed to connect to the hypervisor', error instanceof Error ? error.message : String(error))
  }
}

async function ask(base: string, path: string, method = 'GET'): Promise<{ status: number; body: unknown }> {
  const answer = await fetch(`${base}/_sandbox/guests${path}`, { method })
  return { status: answer.status, body: await answer.json() }
}

function errorOf(body: unknown): string {
  return z.object({ error: z.string() }).parse(body).error
}

function stateOf(body: unknown): string {
  const { status } = z.object({ guest: z.object({ status: z.string() }) }).parse(body).guest
  return status === 'ACTIVE' ? 'running' : 'shut off'
}

/** An empty line ends what a talkative virsh says, of a refusal too. */
function say(quiet: boolean, text: string): number {
  process.stdout.write(quiet ? `${text}\n` : `${text}\n\n`)
  return 0
}

function refuse(quiet: boolean, ...lines: string[]): number {
  if (!quiet) process.stdout.write('\n')
  return fail(...lines)
}

function fail(...lines: string[]): number {
  for (const line of lines) process.stderr.write(`error: ${line}\n`)
  return 1
}
