import { randomUUID } from 'node:crypto'
import { stringify } from 'yaml'

/** A cinderkeep.yaml as an operator would write it, with short times so that a demo need not wait. */
export function configFile(place: {
  queue: string
  bind: { exchange: string; topics: string[] }
  dir: string
}): string {
  return stringify({
    installation: randomUUID(),
    listen: { queue: place.queue, bind: [place.bind] },
    sources: [{ match: '*@files#*', kind: 'file', dir: place.dir }],
    targets: { cinder: { kind: 'cinder-backup', driver: 'ceph' } },
    policies: {
      databases: {
        where: { metadata: { archive: 'gold' }, exclude: { name: 'scratch-*' } },
        on: ['volume.detach.end'],
        settle: '1s',
        copies: [{ target: 'cinder' }],
      },
      sites: {
        where: { project: ['web'], exclude: { name: 'template' } },
        on: ['volume.create.end'],
        settle: '1s',
        copies: [{ target: 'cinder' }],
      },
    },
    pace: { heartbeat: '5s', firstRetry: '1s' },
    drain: '10s',
  })
}
