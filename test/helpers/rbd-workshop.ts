/** Images in the lab's prod cluster that a test makes, changes as a guest would, and leaves none of. */
import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { labEnvironment } from './lab.js'

const run = promisify(execFile)

/** What a guest does: bytes at offsets, or a new size by the administrator. Written bytes are random. */
export type Change =
  ['write' | 'discard' | 'zeroes', offset: number, length: number] | ['resize', size: number] | ['rollback', string]

export interface RbdWorkshop {
  /** In the name of everything that is made here. */
  mark: string
  conf: string
  /** As the administrator. */
  rbd(...args: string[]): Promise<string>
  ceph(...args: string[]): Promise<string>
  /** All of it in one opening of the image, flushed at its end. */
  change(image: string, changes: Change[]): Promise<void>
  /**
   * Leaves what a `rbd snap rm` leaves that is killed after its first step: the snapshot is in the trash of its image, under
   * another name. `snapshot_trash_add` is that step (librbd's `SnapshotRemoveRequest::trash_snap`).
   */
  breakOffRemoval(image: string, snapshot: string): Promise<void>
  /** A new image in `volumes`; its name is `volume-<mark>-<n>`. */
  create(size: string, ...options: string[]): Promise<string>
  /** What `rbd export` gives of `pool/image[@snapshot]`. */
  exported(spec: string): Promise<Buffer>
  scratch: string
  clean(): Promise<void>
}

const script = `
import json, os, rados, rbd, sys
changes = json.loads(sys.argv[3])
with rados.Rados(conffile=sys.argv[1], rados_id='admin') as cluster:
    pool, name = sys.argv[2].split('/')
    with cluster.open_ioctx(pool) as io, rbd.Image(io, name) as image:
        for what, *rest in changes:
            if what == 'write': image.write(os.urandom(rest[1]), rest[0])
            elif what == 'discard': image.discard(*rest)
            elif what == 'zeroes': image.write_zeroes(*rest)
            elif what == 'resize': image.resize(rest[0])
            elif what == 'rollback': image.rollback_to_snap(rest[0])
        image.flush()
`

const trashSnapshot = `
import rados, rbd, struct, sys
with rados.Rados(conffile=sys.argv[1], rados_id='admin') as cluster, cluster.open_ioctx('volumes') as io:
    with rbd.Image(io, sys.argv[2], read_only=True) as image:
        header, snapshot = 'rbd_header.' + image.id(), image.snap_get_id(sys.argv[3])
    io.execute(header, 'rbd', 'snapshot_trash_add', struct.pack('<Q', snapshot))
`

export async function rbdWorkshop(prefix: string): Promise<RbdWorkshop> {
  const conf = labEnvironment().cephConf.prod
  const mark = `${prefix}-${randomUUID().slice(0, 8)}`
  const scratch = await mkdtemp(join(tmpdir(), `cinderkeep-${mark}-`))
  const maxBuffer = 64 * 1024 * 1024
  const rbd = async (...args: string[]): Promise<string> =>
    (await run('rbd', ['--conf', conf, '--id', 'admin', ...args], { maxBuffer })).stdout
  let images = 0

  async function removeImage(pool: string, name: string): Promise<void> {
    const spec = `${pool}/${name}`
    const snapshots = JSON.parse(await rbd('snap', 'ls', '--format', 'json', spec)) as {
      name: string
      protected: string
    }[]
    for (const { name: snapshot, protected: held } of snapshots) {
      if (held === 'true') await rbd('snap', 'unprotect', `${spec}@${snapshot}`)
      await rbd('snap', 'rm', '--no-progress', `${spec}@${snapshot}`)
    }
    await rbd('rm', '--no-progress', spec)
  }

  return {
    mark,
    conf,
    rbd,
    scratch,
    ceph: async (...args) => (await run('ceph', ['--conf', conf, ...args])).stdout,
    change: async (image, changes) => {
      // Debian's own interpreter: it has the rados and rbd modules
      await run('/usr/bin/python3', [
        '-c',
        script,
        conf,
        image.includes('/') ? image : `volumes/${image}`,
        JSON.stringify(changes),
      ])
    },
    breakOffRemoval: async (image, snapshot) => {
      await run('/usr/bin/python3', ['-c', trashSnapshot, conf, image, snapshot])
    },
    create: async (size, ...options) => {
      images += 1
      const image = `volume-${mark}-${images}`
      await rbd('create', '--size', size, ...options, `volumes/${image}`)
      return image
    },
    exported: async (spec) => {
      const path = join(scratch, randomUUID())
      await rbd('export', '--no-progress', spec, path)
      const bytes = await readFile(path)
      await rm(path)
      return bytes
    },
    clean: async () => {
      // clones before their parents
      for (const pool of ['volumes', 'images']) {
        const names = JSON.parse(await rbd('ls', '--format', 'json', pool)) as string[]
        for (const name of names.filter((one) => one.includes(mark))) await removeImage(pool, name)
      }
      await rm(scratch, { recursive: true })
    },
  }
}
