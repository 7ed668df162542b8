import { readFile } from 'node:fs/promises'
import { loadClientConnectConfig, type ClientConnectConfig } from '@temporalio/envconfig'
import { CodedError } from '../errors/coded-error.js'
import type { Environment } from './environment.js'
import type { TemporalOptions } from './schema.js'

/** What both of the SDK's connections take, and the namespace. */
export interface TemporalConnection {
  connectionOptions: ClientConnectConfig['connectionOptions'] & { address: string }
  namespace: string
}

/**
 * cinderkeep.yaml's `temporal:` first, then TEMPORAL_* and Temporal's own configuration file by the rules of every Temporal
 * tool, then 127.0.0.1:7233 and the namespace `default`.
 * @throws CodedError `CK-CONFIG` when a file or variable that is named cannot be read or understood
 */
export async function temporalConnection(options: TemporalOptions, env: Environment): Promise<TemporalConnection> {
  const found = fromEnvironment(env)
  return {
    connectionOptions: {
      ...found.connectionOptions,
      address: options.address ?? found.connectionOptions.address ?? '127.0.0.1:7233',
      ...(options.apiKeyFile !== undefined && {
        apiKey: (await readNamed('apiKeyFile', options.apiKeyFile)).toString('utf8').trim(),
      }),
      ...(options.tls !== undefined && { tls: await tlsOf(options.tls) }),
    },
    namespace: options.namespace ?? found.namespace ?? 'default',
  }
}

async function tlsOf({ caFile, certFile, keyFile, serverName }: NonNullable<TemporalOptions['tls']>) {
  return {
    ...(serverName !== undefined && { serverNameOverride: serverName }),
    ...(caFile !== undefined && { serverRootCACertificate: await readNamed('tls.caFile', caFile) }),
    ...(certFile !== undefined &&
      keyFile !== undefined && {
        clientCertPair: {
          crt: await readNamed('tls.certFile', certFile),
          key: await readNamed('tls.keyFile', keyFile),
        },
      }),
  }
}

function fromEnvironment(env: Environment): ClientConnectConfig {
  const set = Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined)
  try {
    return loadClientConnectConfig({ overrideEnvVars: Object.fromEntries(set) })
  } catch (error) {
    // the lines below the first quote the file, where an API key may stand
    const [message = ''] = error instanceof Error ? error.message.split('\n') : []
    throw new CodedError('CK-CONFIG', `Temporal's own configuration cannot be used: ${message}`, {
      cure: 'Mend the TEMPORAL_* variables, or the file that TEMPORAL_CONFIG_FILE or the usual place names.',
    })
  }
}

async function readNamed(option: string, path: string): Promise<Buffer> {
  try {
    return await readFile(path)
  } catch (error) {
    throw new CodedError('CK-CONFIG', `temporal.${option}: ${path} cannot be read`, {
      cure: `Correct temporal.${option}, or the file's rights for the user that Cinderkeep runs as.`,
      cause: error,
    })
  }
}
