import { readFile, stat } from 'node:fs/promises'
import type { Config } from '../../config/config.js'
import { count } from '../words.js'
import { ok, warning, type Check, type Finding } from './check.js'

/** Whoever can read the file is past this check's first half: the command ends with 2 before any check runs. */
export const configurationCheck: Check = {
  name: 'configuration',
  run: async ({ config }) => [...judgeConfiguration(config), ...(await secretsReadable(config))],
}

/** What is no mistake, but does not protect anything. */
export function judgeConfiguration({ path, policies, targets, sources }: Config): Finding[] {
  const parts = [
    count(policies.length, 'policy', 'policies'),
    count(Object.keys(targets).length, 'target'),
    count(sources.length, 'source'),
  ]
  const findings = [ok(`${path} is in order: ${parts.join(', ')}`)]
  if (policies.length === 0) {
    findings.push(
      warning('CK-CONFIG', `${path} has no policies: nothing is protected`, 'Write `policies`; docs/configuration.md.'),
    )
  }
  if (sources.length === 0 && Object.keys(targets).length > 0) {
    findings.push(
      warning(
        'CK-CONFIG',
        `${path} has no sources: nothing can be read back, so no copy will ever be verified`,
        'Write `sources`; docs/configuration.md.',
      ),
    )
  }
  return findings
}

/** Files that hold a secret and can be read by every user of this machine. Whether they are there, others tell. */
async function secretsReadable(config: Config): Promise<Finding[]> {
  const { path, listen, temporal, sources } = config
  const files: [string, string | undefined][] = [
    ['listen.passwordFile', listen.passwordFile],
    ['listen.keyFile', listen.keyFile],
    ['temporal.apiKeyFile', temporal.apiKeyFile],
    ['temporal.tls.keyFile', temporal.tls?.keyFile],
    ...sources.map((one, index): [string, string | undefined] => [
      `sources[${index}].keyring`,
      one.kind === 'rbd' ? one.keyring : undefined,
    ]),
  ]
  const holding = files.flatMap(([name, file]) => (file === undefined ? [] : [{ name, file }]))
  if (await hasPassword(path)) holding.push({ name: 'listen.url with its password', file: path })
  const found = await Promise.all(
    holding.map(async ({ name, file }) => {
      const mode = await stat(file).then(
        (one) => one.mode,
        () => 0,
      )
      return (mode & 0o004) === 0
        ? []
        : [
            warning(
              'CK-SECRET-READABLE',
              `${file} (${name}) can be read by every user of this machine`,
              `chmod o= ${file}, and give it to the user that Cinderkeep runs as.`,
            ),
          ]
    }),
  )
  return found.flat()
}

async function hasPassword(path: string): Promise<boolean> {
  const text = await readFile(path, 'utf8').catch(() => '')
  return /amqps?:\/\/[^\s/:@"']+:[^\s@"']+@/.test(text.replace(/^\s*#.*$/gm, ''))
}
