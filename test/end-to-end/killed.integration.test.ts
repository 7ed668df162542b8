import { afterAll, beforeAll, expect, it } from 'vitest'
import type { Volume } from '../../openstack/cinder.js'
import type { FaultKind } from '../../sandbox/faults.js'
import type { BackupRecord, VolumeRecord } from '../../sandbox/state.js'
import { expectOneProvenCopy } from './proof.js'
import { backupsOf, openStage, until, type Stage } from './stage.js'

const forEver = 3_600_000
type Ask = Pick<Extract<FaultKind, { kind: 'hang' }>, 'method' | 'path' | 'body'>

/** Stops an archive of this volume at one request: nothing done yet, or done and not yet answered. */
interface Moment {
  title: string
  when: 'before' | 'after'
  /** The request, as soon as it can be told from others. */
  request: (stage: Stage, volume: Volume) => Promise<Ask> | Ask
}

const marked = (id: string, purpose: string): string => `"ck:volume":"${id}","ck:purpose":"${purpose}"`

async function seen<T>(what: string, look: () => T | undefined): Promise<T> {
  let found: T | undefined
  await until(what, () => (found = look()) !== undefined)
  if (found === undefined) throw new Error('it was seen')
  return found
}

async function volumeFor({ sandbox }: Stage, { id }: Volume, purpose: string): Promise<VolumeRecord> {
  return seen(`a ${purpose} volume`, () =>
    [...sandbox.state.volumes.values()].find(
      ({ metadata }) => metadata['ck:volume'] === id && metadata['ck:purpose'] === purpose,
    ),
  )
}

const backupFor = async (stage: Stage, volume: Volume): Promise<BackupRecord> =>
  seen('a backup', () => backupsOf(stage, volume)[0])

const theMark = 'markCopy: the mark is written'
const requests: Record<string, Moment['request']> = {
  'takeCapture: the snapshot is asked for': (_, { id }) => ({ method: 'POST', path: '/snapshots$', body: id }),
  'writeCopy: the temporary volume is asked for': (_, { id }) => ({
    ...{ method: 'POST', path: '/volumes$', body: marked(id, 'temporary') },
  }),
  'writeCopy: the backup is asked for': (_, { id }) => ({
    method: 'POST',
    path: '/backups$',
    body: marked(id, 'copy'),
  }),
  'writeCopy: the temporary volume is deleted': async (stage, volume) => ({
    ...{ method: 'DELETE', path: (await volumeFor(stage, volume, 'temporary')).id },
  }),
  'verifyCopy: the scratch volume is asked for': (_, { id }) => ({
    ...{ method: 'POST', path: '/volumes$', body: marked(id, 'scratch') },
  }),
  'verifyCopy: the restore is asked for': async (stage, volume) => ({
    ...{ method: 'POST', path: `${(await backupFor(stage, volume)).id}/restore$` },
  }),
  'verifyCopy: the scratch volume is deleted': async (stage, volume) => ({
    ...{ method: 'DELETE', path: (await volumeFor(stage, volume, 'scratch')).id },
  }),
  [theMark]: async (stage, volume) => ({
    ...{ method: 'PUT', path: (await backupFor(stage, volume)).id, body: String.raw`\\"state\\":\\"verified` },
  }),
  'releaseCapture: the snapshot is deleted': async ({ sandbox }, { id }) => ({
    method: 'DELETE',
    path: await seen('a snapshot', () => [...sandbox.state.snapshots.values()].find((one) => one.volumeId === id)?.id),
  }),
}

const moments: Moment[] = [
  ...Object.entries(requests).flatMap(([title, request]): Moment[] => [
    { title: `before ${title}`, when: 'before', request },
    { title: `after ${title}`, when: 'after', request },
  ]),
  {
    title: 'in removeTemporaries',
    when: 'before',
    async request(stage, volume) {
      const { id } = await backupFor(stage, volume)
      // the act after markCopy is held by holding markCopy's answer until this fault stands
      const mark = await requests[theMark]?.(stage, volume)
      stage.sandbox.faults.add({ kind: 'slow', milliseconds: 3000, ...mark })
      await until('the mark', () => /"state":"verified"/.test(backupsOf(stage, volume)[0]?.metadata['ck:state'] ?? ''))
      return { method: 'GET', path: `/backups/detail.*${volume.id}|/backups/${id}` }
    },
  },
]

/** Brings an archive of a new volume to its moment, and leaves it there. */
async function hold(stage: Stage, volume: Volume, { title, when, request }: Moment): Promise<void> {
  const ask = await request(stage, volume)
  const { faults } = stage.sandbox
  const id = faults.add(when === 'before' ? { kind: 'hang', ...ask } : { kind: 'slow', milliseconds: forEver, ...ask })
  await until(title, () => faults.list().some((fault) => fault.id === id && fault.hits > 0))
}

let stage: Stage
const volumes = new Map<string, Volume>()

beforeAll(async () => {
  // requests may take longer than it takes to bring all archives to their moments
  stage = await openStage({ timeoutSeconds: 600 })
  const tenant = await stage.tenant('payments')
  await Promise.all(
    moments.map(async (moment) => {
      const volume = await tenant.createVolume(moment.title, { metadata: { archive: 'gold' } })
      volumes.set(moment.title, volume)
      await Promise.all([hold(stage, volume, moment), tenant.use(volume)])
    }),
  )
  const roles = ['listener', 'control', 'mover'] as const
  for (const role of roles) await stage.roles.kill(role)
  stage.sandbox.faults.clear()
  for (const role of roles) stage.roles.start(role)
})

afterAll(async () => {
  await stage.close()
})

it.each(moments)('makes one proven copy although all processes are killed $title', async ({ title }) => {
  const volume = volumes.get(title)
  if (volume === undefined) throw new Error('every moment has its volume')
  await expectOneProvenCopy(stage, volume)
})

it('archives no volume that it made itself', async () => {
  const own = [...volumes.values()].map(({ id }) => id)
  const archived: string[] = []
  for await (const { workflowId } of stage.client.workflow.list({ query: "WorkflowType = 'archiveVolume'" })) {
    archived.push(workflowId.split('/')[1] ?? '')
  }
  expect([...new Set(archived)].sort()).toEqual(own.sort())
})
