import { execFile, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

/** The real cloud of `lab/`, for acceptance tests: what it is, its storage behind Cinder's back, and its services. */

const run = promisify(execFile)
const repository = join(dirname(fileURLToPath(import.meta.url)), '..', '..')

export type Cluster = 'prod' | 'backup'
export type BackupDriver = 'ceph' | 'posix'

/** The services that `lab/lab status` lists. */
export type LabService =
  | 'mariadb'
  | 'rabbit'
  | `${Cluster}-${'mon' | 'mgr' | 'osd'}`
  | 'keystone'
  | `cinder-${'api' | 'scheduler' | 'volume' | 'backup'}`
  // after `lab/lab up nova`
  | 'libvirtd'
  | 'neutron'
  | 'glance-api'
  | 'placement-api'
  | `nova-${'api' | 'scheduler' | 'conductor' | 'compute'}`

export interface Lab {
  /** The lab's directory. */
  dir: string
  /** `OS_*` of the administrator, to be given to a child process or to a cloud session. */
  os: Record<string, string>
  amqpUrl: string
  backupDriver: BackupDriver
  cephConf: Record<Cluster, string>
  /** The cephx user with the least rights, on both clusters; its keyring is named in `cephConf`. */
  cephUser: string
  /** Projects besides admin; each has a user of the same name with `tenantPassword`. */
  tenants: string[]
  tenantPassword: string
  /** Null unless it was started by `lab/lab up nova`. */
  servers: LabServers | null
}

export interface LabServers {
  libvirtUri: string
  /** Ids of Glance's images. */
  kernel: string
  ramdisk: string
  flavor: string
  /** What each server's console printed: `<server>/console.log` below it. */
  instancesDir: string
}

/** @throws Error when no lab runs (or ever ran) in `$LAB`, by default `.lab` in the repository */
export function labEnvironment(): Lab {
  const dir = process.env['LAB'] ?? join(repository, '.lab')
  const openrc = join(dir, 'os', 'openrc')
  if (!existsSync(openrc)) throw new Error(`there is no lab in ${dir}: run \`npm run lab\` as root first (docs/lab.md)`)
  const exports = new Map<string, string>()
  for (const line of readFileSync(openrc, 'utf8').split('\n')) {
    const [, name, value] = /^export (\w+)='?(.*?)'?$/.exec(line) ?? []
    if (name !== undefined && value !== undefined) exports.set(name, value)
  }
  const need = (name: string): string => {
    const value = exports.get(name)
    if (value === undefined) throw new Error(`${openrc} lacks ${name}: run \`npm run lab\` again`)
    return value
  }
  return {
    dir: need('LAB'),
    os: Object.fromEntries([...exports].filter(([name]) => name.startsWith('OS_'))),
    amqpUrl: need('AMQP_URL'),
    backupDriver: need('LAB_BACKUP') === 'posix' ? 'posix' : 'ceph',
    cephConf: { prod: need('LAB_PROD_CEPH_CONF'), backup: need('LAB_BACKUP_CEPH_CONF') },
    cephUser: need('LAB_CEPH_USER'),
    tenants: need('LAB_TENANTS').split(' '),
    tenantPassword: need('LAB_TENANT_PASSWORD'),
    servers: exports.has('LAB_LIBVIRT_URI')
      ? {
          libvirtUri: need('LAB_LIBVIRT_URI'),
          kernel: need('LAB_GUEST_KERNEL'),
          ramdisk: need('LAB_GUEST_RAMDISK'),
          flavor: need('LAB_GUEST_FLAVOR'),
          instancesDir: need('LAB_INSTANCES_DIR'),
        }
      : null,
  }
}

/** The same identity for a tenant: `OS_*` with another user and project. */
export function tenantOs(lab: Lab, tenant: string): Record<string, string> {
  return { ...lab.os, OS_USERNAME: tenant, OS_PROJECT_NAME: tenant, OS_PASSWORD: lab.tenantPassword }
}

/** The RBD image of a volume that never migrated. */
export function volumeImage(volumeId: string): string {
  return `volumes/volume-${volumeId}`
}

const writeScript = `
import rados, rbd, sys
conf, spec, offset = sys.argv[1], sys.argv[2], int(sys.argv[3])
pool, name = spec.split('/')
data = sys.stdin.buffer.read()
with rados.Rados(conffile=conf, rados_id='admin') as cluster, cluster.open_ioctx(pool) as io, rbd.Image(io, name) as image:
    image.write(data, offset)
    image.flush()
`

/** Writes through librbd as a guest would. `image` is `pool/name` on prod, `offset` in bytes. */
export async function writeRbd(lab: Lab, image: string, offset: number, bytes: Uint8Array): Promise<void> {
  const args = ['-c', writeScript, lab.cephConf.prod, image, String(offset)]
  await new Promise<void>((resolve, reject) => {
    // Debian's own interpreter: it has the rados and rbd modules
    const child = spawn('/usr/bin/python3', args, { stdio: ['pipe', 'ignore', 'pipe'] })
    let stderr = ''
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
    child.on('error', reject)
    // a child that ends early closes its input; its exit code and stderr say why
    child.stdin.on('error', () => undefined)
    child.on('close', (code) => {
      if (code === 0) resolve()
      else
        reject(
          new Error(`writing ${String(bytes.length)} bytes to ${image} failed (${String(code)}): ${stderr.trim()}`),
        )
    })
    child.stdin.end(bytes)
  })
}

/** SHA-256, in hex, over every byte of `pool/name` or `pool/name@snapshot`, holes as zeros. */
export async function sha256OfRbd(lab: Lab, cluster: Cluster, image: string): Promise<string> {
  const args = ['-c', lab.cephConf[cluster], 'export', '--no-progress', image, '-']
  const hash = createHash('sha256')
  await new Promise<void>((resolve, reject) => {
    const child = spawn('rbd', args, { stdio: ['ignore', 'pipe', 'pipe'] })
    let stderr = ''
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
    child.stdout.on('data', (chunk: Buffer) => hash.update(chunk))
    child.on('error', reject)
    child.on('close', (code) => {
      if (code === 0) resolve()
      else reject(new Error(`rbd export of ${image} failed (${String(code)}): ${stderr.trim()}`))
    })
  })
  return hash.digest('hex')
}

/** `rbd` as the administrator; the answer of its `--format json`. */
export async function rbdJson(lab: Lab, cluster: Cluster, args: readonly string[]): Promise<unknown> {
  const { stdout } = await run('rbd', ['-c', lab.cephConf[cluster], '--format', 'json', ...args])
  return JSON.parse(stdout)
}

export async function listImages(lab: Lab, cluster: Cluster, pool: string): Promise<string[]> {
  return (await rbdJson(lab, cluster, ['ls', pool])) as string[]
}

/** Names of the RBD snapshots of `pool/name`. */
export async function listRbdSnapshots(lab: Lab, cluster: Cluster, image: string): Promise<string[]> {
  const snapshots = (await rbdJson(lab, cluster, ['snap', 'ls', image])) as { name: string }[]
  return snapshots.map((snapshot) => snapshot.name)
}

/** Removes an image with its RBD snapshots: how a backup's data is lost behind Cinder's back. */
export async function destroyImage(lab: Lab, cluster: Cluster, image: string): Promise<void> {
  const rbd = (...args: string[]) => run('rbd', ['-c', lab.cephConf[cluster], ...args])
  for (const name of await listRbdSnapshots(lab, cluster, image)) {
    const { stdout } = await rbd('info', '--format', 'json', `${image}@${name}`)
    const { protected: isProtected } = JSON.parse(stdout) as { protected?: boolean | string }
    if (isProtected === true || isProtected === 'true') await rbd('snap', 'unprotect', `${image}@${name}`)
  }
  await rbd('snap', 'purge', '--no-progress', image)
  await rbd('rm', '--no-progress', image)
}

/**
 * `stop` ends a service cleanly, `kill` with SIGKILL; `start` and `restart` return when it answers. One that is paused
 * lives, does nothing, and must be continued whatever happens. Cinder's own view of a backend (`GET /os-services`) follows some seconds later.
 */
export async function labService(
  lab: Lab,
  action: 'start' | 'stop' | 'kill' | 'restart' | 'pause' | 'continue',
  ...services: LabService[]
): Promise<void> {
  await run(join(repository, 'lab', 'lab'), [action, ...services], { env: { ...process.env, LAB: lab.dir } })
}
