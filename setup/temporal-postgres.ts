import { randomBytes } from 'node:crypto'
import { access, mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { stringify } from 'yaml'
import { CodedError } from '../errors/coded-error.js'
import { findCommand, runCommand } from './command.js'
import { withLock } from './lock.js'
import { answers, freePorts } from './ports.js'
import { cacheDirectory } from './project.js'
import { say } from './say.js'
import { startServer, waitUntilReady } from './server-process.js'
import { servesTemporal } from './temporal-server.js'

/** The newest first; an older Go may not build it. */
const versions = ['1.31.2', '1.29.1']
const schemas = [
  { database: '', schema: 'postgresql/v12/temporal' },
  { database: '_visibility', schema: 'postgresql/v12/visibility' },
]

/** A Temporal server of our own with databases of its own. */
export interface PostgresTemporal {
  address: string
  /** For people. */
  how: string
  /** Stops it and drops its databases. */
  stop(): Promise<void>
}

/** Where PostgreSQL is, by libpq's variables; 127.0.0.1:5432 as `postgres` without them. */
interface Database {
  host: string
  port: number
  user: string
  password: string
}

/**
 * Starts a Temporal server that keeps its state in PostgreSQL: PGHOST, PGPORT, PGUSER, PGPASSWORD, else 127.0.0.1:5432 as
 * `postgres`. Its programs are built with Go the first time and stay in the user's cache.
 * @throws CodedError `CK-SETUP-TEMPORAL` when Go or PostgreSQL is missing, `CK-SETUP-SERVER` when it does not come up
 */
export async function startPostgresTemporal(): Promise<PostgresTemporal> {
  const database = findDatabase()
  const { host, port } = database
  if (!(await answers(host, port))) {
    throw new CodedError('CK-SETUP-TEMPORAL', `no PostgreSQL answers at ${host}:${String(port)}`, {
      cure: 'Start one there, or say with PGHOST, PGPORT, PGUSER and PGPASSWORD where it is.',
    })
  }
  const { folder: programs, version } = await findPrograms()
  const name = `ck_temporal_${randomBytes(4).toString('hex')}`
  const folder = await mkdtemp(join(tmpdir(), 'cinderkeep-temporal-'))
  const sql = (suffix: string, ...args: string[]) => runSql(programs, database, `${name}${suffix}`, args)
  const drop = async (): Promise<void> => {
    for (const { database: suffix } of schemas) await sql(suffix, 'drop-database', '--force').catch(() => undefined)
    await rm(folder, { recursive: true, force: true })
  }
  try {
    for (const { database: suffix, schema } of schemas) {
      await sql(suffix, 'create-database')
      await sql(suffix, 'setup-schema', '-v', '0.0')
      await sql(suffix, 'update-schema', '--schema-name', schema)
    }
    // its table of members keeps ports in a signed 16-bit column
    const [frontend = 0, ...others] = await freePorts(8, [20_000, 32_000])
    await mkdir(join(folder, 'config'))
    await writeFile(join(folder, 'config', 'own.yaml'), stringify(serverConfig(database, name, [frontend, ...others])))
    const server = startServer({
      name: `the Temporal server ${version}`,
      command: join(programs, 'server'),
      args: ['--root', folder, '--config', 'config', '--env', 'own', '--allow-no-auth', 'start'],
      logFile: join(folder, 'temporal.log'),
    })
    const address = `127.0.0.1:${String(frontend)}`
    await waitUntilReady(server, () => servesTemporal(address))
    return {
      address,
      how: `server ${version} on PostgreSQL at ${host}:${String(port)}`,
      async stop() {
        await server.stop()
        await drop()
      },
    }
  } catch (error) {
    await drop()
    throw error
  }
}

function findDatabase(): Database {
  const { PGHOST: host, PGPORT: port, PGUSER: user, PGPASSWORD: password } = process.env
  return {
    host: host ?? '127.0.0.1',
    port: Number(port ?? 5432),
    user: user ?? 'postgres',
    password: password ?? '',
  }
}

/** The folder with `server` and `sql`: built before, or now. */
async function findPrograms(): Promise<{ folder: string; version: string }> {
  const place = (version: string) => join(cacheDirectory(), `temporal-server-${version}`)
  for (const version of versions) if (await exists(place(version))) return { folder: place(version), version }
  const reasons: string[] = []
  const go = findCommand('go')
  if (go === null) reasons.push('Go is not installed')
  for (const version of go === null ? [] : versions) {
    const folder = place(version)
    const trouble = await withLock(
      `${folder}.lock`,
      () => {
        say('waiting for another process that builds the Temporal server')
      },
      async () => ((await exists(folder)) ? null : build(go ?? '', version, folder)),
    )
    if (trouble === null) return { folder, version }
    reasons.push(trouble)
  }
  throw new CodedError('CK-SETUP-TEMPORAL', `no Temporal server for PostgreSQL: ${reasons.join('; ')}`, {
    cure: 'Install Go 1.26.4 or later and let it reach its module proxy; the first build takes some minutes.',
  })
}

/** @returns why it failed, or null */
async function build(go: string, version: string, folder: string): Promise<string | null> {
  say(`building the Temporal server ${version} with Go, once (some minutes and 3 GB in Go's caches)`)
  await mkdir(dirname(folder), { recursive: true })
  const unfinished = await mkdtemp(`${folder}.`)
  try {
    const server = 'go.temporal.io/server/cmd'
    const built = await runCommand(
      go,
      ['install', '-trimpath', '-ldflags', '-s -w', `${server}/server@v${version}`, `${server}/tools/sql@v${version}`],
      { env: { ...process.env, GOWORK: 'off', GOBIN: unfinished, CGO_ENABLED: '0' } },
    )
    if (built.code !== 0) return `Go could not build the Temporal server ${version}: ${built.stderr}`
    await rename(unfinished, folder)
    return null
  } finally {
    await rm(unfinished, { recursive: true, force: true })
  }
}

async function runSql(programs: string, database: Database, name: string, args: string[]): Promise<void> {
  const { host, port, user, password } = database
  const connection = ['--plugin', 'postgres12', '--ep', host, '--port', String(port), '--user', user, '--db', name]
  const { code, stdout, stderr } = await runCommand(join(programs, 'sql'), [...connection, ...args], {
    env: { ...process.env, SQL_PASSWORD: password },
  })
  if (code === 0) return
  throw new CodedError('CK-SETUP-TEMPORAL', `the database ${name} cannot be made: ${stderr || stdout}`, {
    cure: `The PostgreSQL user ${user} must be let in and may create databases; see PGUSER and PGPASSWORD.`,
  })
}

/** Everything in one process, 64 shards: what facts were measured with. */
function serverConfig({ host, port, user, password }: Database, name: string, ports: number[]) {
  const [grpc = 0, grpcMember, matching, matchingMember, history, historyMember, worker, workerMember] = ports
  const rpc = (grpcPort: number | undefined, membershipPort: number | undefined) => ({
    rpc: { grpcPort, membershipPort, bindOnLocalHost: true },
  })
  const store = (databaseName: string, connections: number) => ({
    sql: {
      ...{ pluginName: 'postgres12', databaseName, connectAddr: `${host}:${String(port)}`, connectProtocol: 'tcp' },
      ...{ user, password, maxConns: connections, maxIdleConns: connections, maxConnLifetime: '1h' },
    },
  })
  return {
    log: { stdout: true, level: 'warn' },
    persistence: {
      ...{ defaultStore: 'default', visibilityStore: 'visibility', numHistoryShards: 64 },
      datastores: { default: store(name, 20), visibility: store(`${name}_visibility`, 5) },
    },
    global: { membership: { maxJoinDuration: '30s', broadcastAddress: '127.0.0.1' } },
    services: {
      frontend: rpc(grpc, grpcMember),
      matching: rpc(matching, matchingMember),
      history: rpc(history, historyMember),
      worker: rpc(worker, workerMember),
    },
    clusterMetadata: {
      ...{ enableGlobalNamespace: false, failoverVersionIncrement: 10 },
      ...{ masterClusterName: 'active', currentClusterName: 'active' },
      clusterInformation: {
        active: {
          ...{ enabled: true, initialFailoverVersion: 1, rpcName: 'frontend' },
          rpcAddress: `127.0.0.1:${String(grpc)}`,
        },
      },
    },
    dcRedirectionPolicy: { policy: 'noop' },
    archival: {
      history: { state: 'disabled', enableRead: false },
      visibility: { state: 'disabled', enableRead: false },
    },
    publicClient: { hostPort: `127.0.0.1:${String(grpc)}` },
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await access(path)
    return true
  } catch {
    return false // to be made
  }
}
