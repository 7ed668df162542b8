import { existsSync } from 'node:fs'
import { rm, writeFile } from 'node:fs/promises'
import { findCommand, runCommand } from './command.js'
import { say } from './say.js'

/**
 * Installs a package with apt-get where that is possible: on Debian, as root.
 * @returns whether it is installed now
 */
export async function installPackage(name: string): Promise<boolean> {
  const apt = findCommand('apt-get')
  if (apt === null || process.getuid?.() !== 0) return false
  say(`installing Debian's package ${name}`)
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  const options = ['-o', 'DPkg::Lock::Timeout=600', '-qq']
  for (const act of [['update'], ['install', '-y', '--no-install-recommends', name]]) {
    const outcome = await runCommand(apt, [...options, ...act], { env })
    if (outcome.code !== 0) {
      say(`apt-get ${act.join(' ')} ended with ${outcome.code}: ${outcome.stderr}`)
      return false
    }
  }
  return true
}

/** Installs RabbitMQ without starting its service: Debian's maintainer scripts ask `policy-rc.d` before they start one. */
export async function installRabbit(): Promise<boolean> {
  const policy = '/usr/sbin/policy-rc.d'
  // a policy that is there already is the machine owner's
  if (process.getuid?.() !== 0 || existsSync(policy)) return installPackage('rabbitmq-server')
  await writeFile(policy, '#!/bin/sh\nexit 101\n', { mode: 0o755 })
  try {
    return await installPackage('rabbitmq-server')
  } finally {
    await rm(policy)
  }
}
