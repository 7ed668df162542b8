import { randomUUID } from 'node:crypto'
import { stringify } from 'yaml'

/** A cinderkeep.yaml with three policies, so that the list of volumes shows more than one. */
export function picturesConfig(place: {
  queue: string
  bind: { exchange: string; topics: string[] }
  dir: string
}): string {
  const copies = [{ target: 'cinder' }]
  return stringify({
    installation: randomUUID(),
    listen: { queue: place.queue, bind: [place.bind] },
    sources: [{ match: '*@files#*', kind: 'file', dir: place.dir }],
    // the two that stand still hold a permit each
    targets: { cinder: { kind: 'cinder-backup', driver: 'ceph', permits: 6 } },
    policies: {
      databases: { where: { project: ['payments'] }, on: ['volume.detach.end'], settle: '1s', copies },
      // so short that a picture shows what is overdue
      experiments: {
        where: { project: ['research'], name: ['results'] },
        on: ['volume.detach.end'],
        settle: '1s',
        rpo: '10s',
        copies,
      },
      measurements: { where: { project: ['research'] }, on: ['volume.detach.end'], settle: '1s', copies },
      sites: {
        where: { project: ['web'], exclude: { name: 'uploads' } },
        on: ['volume.create.end'],
        settle: '1s',
        copies,
      },
      uploads: {
        where: { project: ['web'] },
        on: ['volume.resize.end'],
        settle: '1s',
        consistency: { prefer: ['crash'] },
        copies: [{ target: 'cinder', force: { maxSize: '100GiB' } }],
      },
    },
    pace: { heartbeat: '5s', firstRetry: '4s' },
    drain: '10s',
  })
}
