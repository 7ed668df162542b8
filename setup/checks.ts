import { join } from 'node:path'
import { findCommand, runCommand } from './command.js'
import { installPackage } from './debian.js'
import { projectRoot } from './project.js'
import { say } from './say.js'

const bin = (name: string): string => join(projectRoot, 'node_modules', '.bin', name)

/**
 * Checks the sources: linter, format, types, docker-compose.yml. All are run, whatever the first one says.
 * @returns how many failed
 */
export async function runChecks(): Promise<number> {
  const checks: [name: string, command: string, args: string[]][] = [
    ['types', bin('tsc'), ['-p', 'tsconfig.json', '--noEmit']],
    ['linter', bin('eslint'), ['--max-warnings=0', '.']],
    ['format', bin('prettier'), ['--check', '--log-level', 'warn', '.']],
  ]
  const compose = await findCompose()
  if (compose === null) say('check: docker-compose.yml is not checked, docker-compose is not installed')
  else checks.push(['docker-compose.yml', compose.command, [...compose.args, 'config', '-q']])
  let failed = 0
  for (const [name, command, args] of checks) {
    const started = performance.now()
    const outcome = await runCommand(command, args, { cwd: projectRoot })
    const seconds = ((performance.now() - started) / 1000).toFixed(0)
    say(`check: ${name} ${outcome.code === 0 ? 'good' : 'FAILED'} (${seconds} s)`)
    if (outcome.code === 0) continue
    failed += 1
    process.stderr.write(`${outcome.stdout}${outcome.stderr}\n`)
  }
  return failed
}

/** Compose as a command of its own or as Docker's plugin; Debian's package when root. */
async function findCompose(): Promise<{ command: string; args: string[] } | null> {
  const docker = findCommand('docker')
  if (docker !== null) {
    const plugin = await runCommand(docker, ['compose', 'version'])
    if (plugin.code === 0) return { command: docker, args: ['compose'] }
  }
  const found =
    findCommand('docker-compose') ?? ((await installPackage('docker-compose')) ? findCommand('docker-compose') : null)
  return found === null ? null : { command: found, args: [] }
}
