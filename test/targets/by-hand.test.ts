import { execFileSync } from 'node:child_process'
import { expect, it } from 'vitest'
import { commandsByHand } from '../../targets/by-hand.js'
import { targetsOptions } from '../../targets/options.js'
import type { Copy } from '../../targets/target.js'

const copy = {
  target: 'second',
  archiveId: '7f3a91c2-0000-4000-8000-000000000000',
  volumeId: '5d1f0000-0000-4000-8000-000000000000',
  sizeBytes: 1.5 * 2 ** 30,
  ref: { image: 'ck-5d1f-aa', snapshot: 'backup.7f3a.snap.1', backupId: 'b-1' },
} as unknown as Copy

function optionsOf(target: unknown) {
  return targetsOptions.parse({ second: target })['second']
}

it('exports a copy on Ceph into a file, as the user who writes copies', () => {
  const ceph = {
    kind: 'ceph',
    conf: '/etc/ceph/dr.conf',
    users: { write: 'ck-write', remove: 'ck-remove' },
    pool: 'archives',
  }
  expect(commandsByHand(optionsOf({ ...ceph, macKey: { file: '/etc/mac.key' } }), copy)).toEqual([
    'rbd --conf /etc/ceph/dr.conf --id ck-write export --no-progress archives/ck-5d1f-aa@backup.7f3a.snap.1 volume-5d1f0000-0000-4000-8000-000000000000.raw',
  ])
})

it('quotes what a shell would take for its own', () => {
  const ceph = { kind: 'ceph', conf: "/etc/it's $HOME.conf", users: { write: 'w', remove: 'r' }, pool: 'archives' }
  const [line = ''] = commandsByHand(optionsOf({ ...ceph, macKey: { file: '/k' } }), copy)
  const words = execFileSync('sh', ['-c', `rbd() { printf '%s\\n' "$@"; }; ${line}`], { encoding: 'utf8' }).split('\n')
  expect(words[1]).toBe("/etc/it's $HOME.conf")
})

it('restores a backup of Cinder into a new volume of whole GiB', () => {
  expect(commandsByHand(optionsOf({ kind: 'cinder-backup' }), copy)).toEqual([
    'openstack volume create --size 2 restored-7f3a91c2',
    'openstack volume backup restore b-1 restored-7f3a91c2',
  ])
})

it('knows none for a target that is configured no more', () => {
  expect(commandsByHand(undefined, copy)).toEqual([])
})
