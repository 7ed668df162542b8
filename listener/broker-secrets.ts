import { readFile } from 'node:fs/promises'
import { CodedError } from '../errors/coded-error.js'
import type { ListenOptions } from './options.js'

/** The secrets and certificates that `listen:` names, read anew at each connect so that they can be replaced. */
export interface BrokerSecrets {
  password: string | null
  ca: Buffer | undefined
  cert: Buffer | undefined
  key: Buffer | undefined
}

/**
 * @throws CodedError `CK-RABBIT-FILE` when a file cannot be read
 */
export async function readSecrets(options: ListenOptions): Promise<BrokerSecrets> {
  const [password, ca, cert, key] = await Promise.all(
    (['passwordFile', 'caFile', 'certFile', 'keyFile'] as const).map((name) => readNamed(name, options[name])),
  )
  return { password: password === undefined ? null : password.toString('utf8').replace(/\r?\n$/, ''), ca, cert, key }
}

async function readNamed(name: string, path: string | undefined): Promise<Buffer | undefined> {
  if (path === undefined) return undefined
  try {
    return await readFile(path)
  } catch (error) {
    throw new CodedError('CK-RABBIT-FILE', `listen.${name} ${path} cannot be read`, {
      cure: `Correct listen.${name}, or the file's rights for the user that Cinderkeep runs as.`,
      cause: error,
    })
  }
}
