import { setTimeout as sleep } from 'node:timers/promises'
import { isCloudError } from '../openstack/errors.js'
import type { Play } from './acts.js'
import { openCephStage, whyNoLab, type CephStage } from './ceph-stage.js'

const mib = 2 ** 20

/**
 * A volume on Ceph is copied to a second Ceph cluster, past Cinder's nodes: all of it, then what changed. Played where
 * `lab/` is up; elsewhere says how to see it.
 */
export async function directPath({ stage, script }: Play): Promise<void> {
  script.act('From Ceph to a second Ceph cluster, past Cinder’s backup nodes')
  const reason = await whyNoLab()
  if (reason !== null) {
    script.say(`not shown: ${reason}. \`sudo npm run lab\` turns a Debian 12 machine into`)
    script.say('a cloud with two Ceph clusters (docs/lab.md); after that the demo plays this act on it')
    return
  }
  const ceph = await openCephStage(stage)
  const name = `orders-${stage.queue.slice(-8)}`
  const { id } = await ceph.newVolume(name)
  await write(ceph, id, '4M', '64M', 'seq')
  script.say(`${name} is an RBD image of 1 GiB; 64 MiB were written to it`)
  await archive(ceph, name)
  script.say('archived: an RBD snapshot on its own image, copied, read back, compared')
  await write(ceph, id, '1M', '4M', 'rand')
  script.say('4 MiB were written to it, in pieces of 1 MiB anywhere')
  await archive(ceph, name)
  const [second, first] = JSON.parse(await ceph.cinderkeep('points', name, '--json')) as Point[]
  const [copy] = second?.copies ?? []
  script.check('the second copy is verified', copy?.state === 'verified')
  script.check('the second copy builds upon the first', copy?.basePoint === first?.point)
  script.check('the second copy is little more than what changed', (copy?.writtenBytes ?? Infinity) <= 32 * mib)
  script.say('archived again: only what changed since the first copy was read and written')
  await shown(ceph, 'points', name)
  await shown(ceph, 'show', `${name}@latest`)
  process.stdout.write('\n')

  await ceph.cinder.deleteVolume(id)
  script.check('nothing of ours keeps the owner from deleting the volume', await isGone(ceph, id))
  script.say(`${name} was deleted by its owner: its base is no snapshot of Cinder’s, and in nobody’s way`)
}

interface Point {
  point: string
  copies: { state: string; basePoint: string | null; writtenBytes: number | null }[]
}

async function archive(ceph: CephStage, name: string): Promise<void> {
  await ceph.cinderkeep('archive', name, '--wait')
}

/** A command with what it prints, as on a terminal. */
async function shown(ceph: CephStage, ...args: string[]): Promise<void> {
  const text = await ceph.cinderkeep(...args)
  const lines = [`$ cinderkeep ${args.join(' ')}`, ...text.trimEnd().split('\n')]
  process.stdout.write(`\n${lines.map((line) => `  ${line}`.trimEnd()).join('\n')}\n`)
}

/** As a guest's client would. */
async function write(
  ceph: CephStage,
  id: string,
  piece: string,
  total: string,
  pattern: 'seq' | 'rand',
): Promise<void> {
  const how = ['--io-size', piece, '--io-total', total, '--io-pattern', pattern]
  await ceph.rbd('bench', '--io-type', 'write', ...how, `volumes/volume-${id}`)
}

async function isGone({ cinder }: CephStage, id: string): Promise<boolean> {
  for (let looks = 0; looks < 150; looks++) {
    try {
      if ((await cinder.getVolume(id)).status !== 'deleting') return false
    } catch (error) {
      if (isCloudError(error, 'CK-VOLUME-GONE')) return true
      throw error
    }
    await sleep(200)
  }
  return false
}
