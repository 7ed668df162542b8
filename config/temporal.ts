import { readFile } from 'node:fs/promises'
import { loadClientConnectConfig, type ClientConnectConfig } from '@temporalio/envconfig'
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
 */
export async function temporalConnection(options: TemporalOptions, env: Environment): Promise<TemporalConnection> {
  const set = Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined)
  const found = loadClientConnectConfig({ overrideEnvVars: Object.fromEntries(set) })
  return {
    connectionOptions: {
      ...found.connectionOptions,
      address: options.address ?? found.connectionOptions.address ?? '127.0.0.1:7233',
      ...(options.apiKeyFile !== undefined && { apiKey: (await readFile(options.apiKeyFile, 'utf8')).trim() }),
      ...(options.tls !== undefined && { tls: await tlsOf(options.tls) }),
    },
    namespace: options.namespace ?? found.namespace ?? 'default',
  }
}

async function tlsOf({ caFile, certFile, keyFile, serverName }: NonNullable<TemporalOptions['tls']>) {
  return {
    ...(serverName !== undefined && { serverNameOverride: serverName }),
    ...(caFile !== undefined && { serverRootCACertificate: await readFile(caFile) }),
    ...(certFile !== undefined &&
      keyFile !== undefined && { clientCertPair: { crt: await readFile(certFile), key: await readFile(keyFile) } }),
  }
}
