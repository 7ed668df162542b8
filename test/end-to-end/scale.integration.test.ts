import { readFile } from 'node:fs/promises'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { Volume } from '../../openstack/cinder.js'
import { permitsWorkflowId } from '../../workflows/messages.js'
import { permitsQuery } from '../../workflows/permit-messages.js'
import { addProjects, bytesPerGib, createCrowd } from './crowd.js'
import { openStage, until, type Stage } from './stage.js'

/** `npm run bench:scale` takes 1,000. */
const inAll = Number(process.env['CK_SCALE_VOLUMES'] ?? 100)
const projectCount = 20
const each = Math.ceil(inAll / projectCount)
const limits = { target: 8, gold: 4 }
/** Seconds that the slowest machine may take for all of it. */
const patience = 300 + inAll * 6
/** Far more than it takes: what must not happen is that it grows with the number of volumes. */
const memoryBoundMib = 900

const copies = [{ target: 'cinder' }]
const policies = {
  gold: {
    where: { metadata: { archive: 'gold' } },
    on: ['volume.create.end'],
    settle: '1s',
    copies,
    permits: limits.gold,
  },
  rest: { on: ['volume.create.end'], settle: '1s', copies },
}

let stage: Stage
let volumes: Volume[]
let seconds: { asking: number; archiving: number }

beforeAll(async () => {
  stage = await openStage({
    ...{ driver: 'chunked', timeoutSeconds: 60, target: { permits: limits.target }, policies },
    bytesPerGib,
    delays: { 'backup.create': 100, 'backup.restore': 50 },
  })
  const projects = addProjects(stage.sandbox, projectCount)
  // all are asked for before the first is granted: due at once
  const paused = await stage.command('pause', '--reason', 'all at once')
  expect(paused).toMatchObject({ code: 0 })
  const began = performance.now()
  volumes = await createCrowd(stage, projects, each, (index) => (index % 2 === 0 ? { archive: 'gold' } : {}))
  await until('all to wait', async () => (await waiting()) === volumes.length, patience)
  const asked = performance.now()
  await stage.command('resume')
  await until('all to be protected', async () => (await isProtected()) === volumes.length, patience)
  await until('all archives to end', async () => (await count(`WorkflowType = 'archiveVolume'`)) === 0, patience)
  await stage.sandbox.idle()
  seconds = { asking: (asked - began) / 1000, archiving: (performance.now() - asked) / 1000 }
}, patience * 3000)

afterAll(async () => {
  await stage.close()
}, 300_000)

async function count(query: string): Promise<number> {
  return (await stage.client.workflow.count(`${query} AND ExecutionStatus = 'Running'`)).count
}
const isProtected = () => count(`WorkflowType = 'watchVolume' AND protection = 'protected'`)

async function waiting(): Promise<number> {
  const query = async () => stage.client.workflow.getHandle(permitsWorkflowId).query(permitsQuery)
  return stage.client
    .withDeadline(Date.now() + 30_000, query)
    .then(({ waitingInAll }) => waitingInAll)
    .catch(() => 0)
}

/** Snapshots in the order in which they were asked for: one an archive. */
const captures = () => stage.sandbox.load.entries.filter(({ kind }) => kind === 'snapshot')

function mostAtOnce(entries: { began: number; ended: number | null }[]): number {
  const changes = entries.flatMap(({ began, ended }) => [
    { at: began, by: 1 },
    { at: ended ?? Infinity, by: -1 },
  ])
  let [now, most] = [0, 0]
  for (const { by } of changes.sort((a, b) => a.at - b.at || a.by - b.by)) {
    now += by
    most = Math.max(most, now)
  }
  return most
}

it('never used anything beyond its limit, as the cloud itself recorded', () => {
  const gold = new Set(volumes.filter(({ metadata }) => metadata['archive'] === 'gold').map(({ id }) => id))
  const golden = mostAtOnce(captures().filter(({ volumeId }) => gold.has(volumeId)))
  const { load } = stage.sandbox
  console.log(
    `at once: ${load.most('snapshot')} archives (limit ${limits.target}), ${golden} of them gold (limit ${limits.gold}), ${load.most('backup')} backups being made`,
  )
  expect(mostAtOnce(captures())).toBe(load.most('snapshot'))
  expect(load.most('snapshot')).toBeLessThanOrEqual(limits.target)
  expect(load.most('backup')).toBeLessThanOrEqual(limits.target)
  expect(golden).toBeLessThanOrEqual(limits.gold)
  // and what may be used is used
  expect(load.most('snapshot')).toBe(limits.target)
})

it('let no project wait longer than its share', () => {
  const projectOf = new Map(volumes.map(({ id, projectId }) => [id, projectId]))
  const order = captures().map(({ volumeId }) => projectOf.get(volumeId) ?? '')
  const begun = new Map([...new Set(projectOf.values())].map((project) => [project, 0]))
  let widest = 0
  for (const project of order) {
    begun.set(project, (begun.get(project) ?? 0) + 1)
    const counts = [...begun.values()]
    widest = Math.max(widest, Math.max(...counts) - Math.min(...counts))
  }
  const firsts = [...begun.keys()].map((project) => order.indexOf(project) + 1)
  const lasts = [...begun.keys()].map((project) => order.lastIndexOf(project) + 1)
  console.log(
    `${begun.size} projects of ${each}: each had its first archive begun among the first ${Math.max(...firsts)}, ` +
      `the first to be done was done after ${Math.min(...lasts)} of ${order.length}, none was ever ahead of another by more than ${widest}`,
  )
  expect(order).toHaveLength(volumes.length)
  // a round is one archive of each project; what runs side by side may come in any order
  expect(Math.max(...firsts)).toBeLessThanOrEqual(projectCount + limits.target)
  expect(widest).toBeLessThanOrEqual(4)
})

it('made one verified copy of every volume, and left nothing beside them', () => {
  const { state } = stage.sandbox
  const proven = [...state.backups.values()].filter(
    ({ status, metadata }) => status === 'available' && /"state":"verified"/.test(metadata['ck:state'] ?? ''),
  )
  expect(new Set(proven.map(({ metadata }) => metadata['ck:volume']))).toEqual(new Set(volumes.map(({ id }) => id)))
  expect(state.backups.size).toBe(volumes.length)
  expect([...state.snapshots.values()].map(({ name }) => name)).toEqual([])
  expect(state.volumes.size).toBe(volumes.length)
})

it('kept the memory of the control worker bounded', async () => {
  const status = await readFile(`/proc/${stage.roles.pid('control') ?? 0}/status`, 'utf8')
  const highest = Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1]) / 1024
  console.log(
    `${volumes.length} volumes: all asked for within ${seconds.asking.toFixed(0)} s, archived in ${seconds.archiving.toFixed(0)} s ` +
      `(${(volumes.length / seconds.archiving).toFixed(2)} a second); control worker at most ${highest.toFixed(0)} MiB`,
  )
  expect(highest).toBeLessThan(memoryBoundMib)
})
