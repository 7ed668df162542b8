import { randomUUID } from 'node:crypto'
import type { DataLab } from './lab.js'
import { run } from './run.js'

const gib = 2 ** 30
const mib = 2 ** 20

/** An RBD image that is a volume to Cinderkeep, and whoever may compare itself with it. */
export interface VolumeImage {
  volumeId: string
  /** `volumes/volume-<id>` */
  spec: string
  sizeBytes: number
}

export async function newImage(lab: DataLab, sizeBytes: number): Promise<VolumeImage> {
  const volumeId = randomUUID()
  const spec = `volumes/volume-${volumeId}`
  await run('rbd', ['--conf', lab.prod, 'create', '--size', `${String(sizeBytes)}B`, spec])
  return { volumeId, spec, sizeBytes }
}

/** With everything of it in both clusters. @param options.keepVolume Cinder removes the volume itself, without snapshots of ours */
export async function removeImage(
  lab: DataLab,
  { spec, volumeId }: Pick<VolumeImage, 'spec' | 'volumeId'>,
  options: { keepVolume?: boolean } = {},
): Promise<void> {
  if (options.keepVolume === true) await removeOurSnapshots(lab, spec)
  else await removeRbd(lab.prod, spec)
  const { stdout } = await run('rbd', ['--conf', lab.backup, 'ls', 'archives'])
  for (const name of stdout.split('\n').filter((one) => one.includes(volumeId))) {
    await removeRbd(lab.backup, `archives/${name}`)
  }
}

async function removeOurSnapshots(lab: DataLab, spec: string): Promise<void> {
  const { stdout } = await run('rbd', ['--conf', lab.prod, 'snap', 'ls', '--format', 'json', spec])
  const names = (JSON.parse(stdout) as { name: string }[]).map(({ name }) => name)
  for (const name of names.filter((one) => one.startsWith('bare-'))) {
    await run('rbd', ['--conf', lab.prod, 'snap', 'rm', '--no-progress', `${spec}@${name}`])
  }
}

async function removeRbd(conf: string, spec: string): Promise<void> {
  await run('rbd', ['--conf', conf, 'snap', 'purge', '--no-progress', spec])
  await run('rbd', ['--conf', conf, 'rm', '--no-progress', spec])
}

/** Half of what is written is random, half is text, as in the figures of restic and borg. */
const script = `
import json, os, random, rados, rbd, sys
work = json.load(sys.stdin)
words = b' '.join(b'%x' % (n * 2654435761 % 65521) for n in range(1 << 18))
with rados.Rados(conffile=work['conf'], rados_id='admin') as cluster, cluster.open_ioctx('volumes') as io:
    with rbd.Image(io, work['image']) as image:
        for n, (offset, length) in enumerate(work['writes']):
            start = random.randrange(len(words) // 2)
            text = (words[start:] + words * (length // len(words) + 1))[:length]
            image.write(os.urandom(length) if n % 2 == 0 else text, offset)
        image.flush()
`

export async function write(lab: DataLab, { spec }: VolumeImage, writes: [number, number][]): Promise<void> {
  const image = spec.split('/')[1]
  // Debian's own interpreter: it has the rados and rbd modules
  await run('/usr/bin/python3', ['-c', script], JSON.stringify({ conf: lab.prod, image, writes }))
}

/** The first so many bytes, in pieces of 4 MiB. */
export function fill(bytes: number): [number, number][] {
  return Array.from({ length: bytes / (4 * mib) }, (_, n) => [n * 4 * mib, 4 * mib])
}

/** So many bytes in pieces of 1 MiB, at random places in the first `within` bytes. */
export function scatter(bytes: number, within: number): [number, number][] {
  return Array.from({ length: Math.max(1, Math.round(bytes / mib)) }, () => [
    Math.floor(Math.random() * (within / mib)) * mib,
    mib,
  ])
}

/** 200 pieces of 1 MiB all over 16 TiB. */
export function sprinkle(sizeBytes: number): [number, number][] {
  return Array.from({ length: 200 }, (_, n) => [Math.floor((n * sizeBytes) / 200 / gib) * gib, mib])
}
