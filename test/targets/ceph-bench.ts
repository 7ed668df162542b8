/** A `ceph` target on the lab's two clusters. Volumes are RBD images named as Cinder does, without Cinder: many and small. */
import { execFile } from 'node:child_process'
import { createHash, randomBytes, randomUUID } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { withHands, type Hands } from '../../librbd/hands.js'
import { silentLog } from '../../log/log.js'
import { hashBytes } from '../../source/hash-bytes.js'
import { openSources } from '../../source/open-sources.js'
import { sourcesOptions } from '../../source/options.js'
import { createRbdSnapshot } from '../../source/rbd-snapshots.js'
import type { CephPace } from '../../targets/ceph/pace.js'
import { openTargets } from '../../targets/open-targets.js'
import { targetsOptions } from '../../targets/options.js'
import type { Capture, Copy, Destination, Target } from '../../targets/target.js'
import { type Cluster, type Lab, listImages, listRbdSnapshots, rbdJson, volumeImage, writeRbd } from '../helpers/lab.js'
import { contextFor, type TargetBench } from './contract.js'

const run = promisify(execFile)
const mib = 2 ** 20
const host = 'lab@ceph#ceph'

export interface OpenGiven {
  pace?: Partial<CephPace>
  options?: Record<string, unknown>
  /** The source's object maps are believed. */
  wholeObject?: boolean
  /** Between the target and the clusters, for faults. */
  wrap?: (hands: Hands) => Hands
}

export interface CephBench extends TargetBench {
  installation: string
  sources: Record<string, unknown>[]
  /** Both users, the key and the pool, as in cinderkeep.yaml. */
  options: Record<string, unknown>
  open(given?: OpenGiven): Target
  /** An empty volume. */
  newVolume(sizeMib?: number): Promise<string>
  captureOf(volumeId: string): Promise<Capture>
  write(volumeId: string, offset: number, bytes: Uint8Array): Promise<void>
  /** `rbd` as the administrator. */
  rbd(cluster: Cluster, ...args: string[]): Promise<string>
  rados(...args: string[]): Promise<string>
  /** Written, read back and marked, as an archive does. */
  verified(capture: Capture, given?: OpenGiven): Promise<Copy>
  /** `archives/<image>` of the volume's copies. */
  imageOf(volumeId: string): Promise<string | undefined>
}

export async function cephBench(lab: Lab): Promise<CephBench> {
  const installation = randomUUID()
  const projectId = randomUUID().replaceAll('-', '')
  const dir = await mkdtemp(join(tmpdir(), 'ck-ceph-'))
  const keyFile = join(dir, 'mac.key')
  await writeFile(keyFile, randomBytes(64), { mode: 0o600 })
  const access = { conf: lab.cephConf.prod, user: lab.cephUser, pool: 'volumes', parents: [] }
  const sourceOptions = [{ match: '*@ceph#*', kind: 'rbd', ...access }]
  const sources = openSources(sourcesOptions.parse(sourceOptions))
  const byMap = openSources(sourcesOptions.parse(sourceOptions.map((one) => ({ ...one, wholeObject: 'always' }))))
  const options = {
    kind: 'ceph',
    conf: lab.cephConf.backup,
    users: { write: 'ck-write', remove: 'ck-remove' },
    pool: 'archives',
    macKey: { file: keyFile },
  }
  const volumes = new Set<string>()
  const archives: string[] = []

  function open({ wrap, ...given }: OpenGiven = {}): Target {
    const targets = openTargets(targetsOptions.parse({ second: { ...options, ...given.options } }), {
      // a target that reads through sources asks nothing of Cinder
      cinder: {} as never,
      sources: given.wholeObject === true ? byMap : sources,
      installation,
      log: silentLog,
      ...(given.pace !== undefined && { cephPace: given.pace }),
      ...(wrap !== undefined && {
        withHands: async (signal, act) => withHands(signal, async (hands) => act(wrap(hands))),
      }),
    })
    const target = targets.get('second')
    if (target === undefined) throw new Error('no target')
    return target
  }

  async function rbd(cluster: Cluster, ...args: string[]): Promise<string> {
    return (await run('rbd', ['--conf', lab.cephConf[cluster], ...args], { maxBuffer: 64 * mib })).stdout
  }

  async function rados(...args: string[]): Promise<string> {
    const cluster = ['--conf', lab.cephConf.backup, '--pool', 'archives']
    return (await run('rados', [...cluster, ...args], { maxBuffer: 64 * mib })).stdout
  }

  async function newVolume(sizeMib = 64): Promise<string> {
    const id = randomUUID()
    volumes.add(id)
    await rbd('prod', 'create', '--size', `${sizeMib}M`, volumeImage(id))
    return id
  }

  async function captureOf(volumeId: string): Promise<Capture> {
    const archiveId = randomUUID()
    archives.push(archiveId)
    const name = `backup.${archiveId}.snap.${Math.floor(Date.now() / 1000)}`
    const made = await createRbdSnapshot(access, `volume-${volumeId}`, name)
    const capturedAt = new Date().toISOString()
    return {
      point: `${capturedAt.slice(0, 19)}Z-${archiveId.slice(0, 8)}`,
      archiveId,
      archive: `archive/${volumeId}/manual:${archiveId}/1`,
      slot: `manual:${archiveId}`,
      group: null,
      volume: {
        volumeId,
        host,
        nameId: null,
        name: 'bénch',
        description: null,
        sizeGib: 1,
        projectId,
        userId: null,
        type: 'ceph',
        availabilityZone: 'nova',
        bootable: false,
        multiattach: false,
        encrypted: false,
        encryptionKeyId: null,
        metadata: { archive: 'gold' },
        imageMetadata: {},
        attachments: [],
      },
      maker: 'rbd',
      snapshotId: String(made.id),
      snapshotName: name,
      capturedAt,
      consistency: 'detached',
      watchers: 'none',
      sizeBytes: made.size,
    }
  }

  /** In three places, the last at the volume's end. */
  async function fill(volumeId: string): Promise<void> {
    const { size } = (await rbdJson(lab, 'prod', ['info', volumeImage(volumeId)])) as { size: number }
    for (const offset of [0, 37 * mib + 4096, size - mib]) {
      const block = createHash('sha512').update(randomUUID()).digest()
      await writeRbd(lab, volumeImage(volumeId), offset, Buffer.alloc(offset === 0 ? mib : mib / 2, block))
    }
  }

  async function hash(volumeId: string, capture: Capture | null): Promise<string> {
    const source = sources.find(host)
    if (source === undefined) throw new Error('no source')
    const place = { volumeId, host, nameId: null, snapshotId: null }
    const rbdSnapshot = capture === null ? undefined : { name: capture.snapshotName, id: Number(capture.snapshotId) }
    return (await hashBytes(await source.open({ ...place, rbdSnapshot }))).rootHash
  }

  async function imageOf(volumeId: string): Promise<string | undefined> {
    const image = (await listImages(lab, 'backup', 'archives')).find((name) => name.startsWith(`ck-${volumeId}-`))
    return image === undefined ? undefined : `archives/${image}`
  }

  async function leftovers({ archiveId, volume }: Capture): Promise<string[]> {
    const image = await imageOf(volume.volumeId)
    const trees = (await rados('ls')).split('\n').filter((name) => name.includes(archiveId))
    if (image === undefined) return trees
    const meta = Object.keys(
      JSON.parse((await rbd('backup', 'image-meta', 'list', image, '--format', 'json')) || '{}') as object,
    )
    const made = (await listRbdSnapshots(lab, 'backup', image)).filter((name) => name.includes(archiveId))
    const isCopy = meta.some((key) => key.startsWith(`ck.${archiveId}.`) && key.endsWith('.manifest'))
    const found = meta.filter((key) => key === 'ck.writer')
    if (!isCopy) return [...found, ...trees, ...made, ...(meta.length === 0 ? [image] : [])]
    return [...found, ...made.slice(1)]
  }

  async function removeImage(cluster: Cluster, image: string): Promise<void> {
    await rbd(cluster, 'snap', 'purge', '--no-progress', image)
    await rbd(cluster, 'rm', '--no-progress', image)
  }

  return {
    installation,
    sources: sourceOptions,
    options,
    open,
    newVolume,
    captureOf,
    rbd,
    rados,
    imageOf,
    write: async (volumeId, offset, bytes) => writeRbd(lab, volumeImage(volumeId), offset, bytes),
    verified: async (capture, given) => {
      const target = open(given)
      const { context } = contextFor()
      const copy = await target.writeCopy(capture, null, context)
      const { state, rootHash, reason } = await target.verifyCopy(copy, capture, context)
      return target.markCopy(copy, { state, rootHash, reason, verifiedAt: new Date().toISOString() }, context)
    },
    capture: async () => {
      const id = await newVolume()
      await fill(id)
      return captureOf(id)
    },
    captureAgain: async ({ volume }) => {
      await fill(volume.volumeId)
      return captureOf(volume.volumeId)
    },
    release: async ({ volume, snapshotName }) => {
      await rbd('prod', 'snap', 'rm', '--no-progress', `${volumeImage(volume.volumeId)}@${snapshotName}`)
    },
    destroy: async ({ ref }) => {
      const image = `archives/${ref['image'] ?? ''}`
      const { block_name_prefix: prefix } = (await rbdJson(lab, 'backup', ['info', image])) as {
        block_name_prefix: string
      }
      const objects = (await rados('ls')).split('\n').filter((name) => name.startsWith(`${prefix}.`))
      if (objects.length === 0) throw new Error(`no objects of ${image}`)
      await rados('rm', ...objects)
    },
    hashOfCapture: async (capture) => hash(capture.volume.volumeId, capture),
    emptyVolume: async ({ sizeBytes }) => newVolume(sizeBytes / mib),
    hashOfVolume: async (volumeId) => hash(volumeId, null),
    destinationOf: (volumeId): Destination => ({
      kind: 'image',
      conf: lab.cephConf.prod,
      user: 'admin',
      pool: 'volumes',
      image: `volume-${volumeId}`,
    }),
    leftovers,
    end: async () => {
      for (const id of volumes) {
        await removeImage('prod', volumeImage(id))
        const image = await imageOf(id)
        if (image !== undefined) await removeImage('backup', image)
      }
      // the trees of what was not removed through the target
      const trees = (await rados('ls')).split('\n').filter((name) => archives.some((id) => name.includes(id)))
      for (const tree of trees) await rados('rm', tree)
      await rm(dir, { recursive: true })
    },
  }
}
