import { WorkflowFailedError } from '@temporalio/client'
import { ApplicationFailure } from '@temporalio/common'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { cinder, type Volume } from '../../openstack/cinder.js'
import { connectCloud } from '../../openstack/session.js'
import { loadCloud } from '../../openstack/clouds-yaml.js'
import { silentLog } from '../../log/log.js'
import type { FaultKind } from '../../sandbox/faults.js'
import type { ArchiveOutcome } from '../../workflows/messages.js'
import { expectOneProvenCopy } from './proof.js'
import {
  archivesOf,
  backupsOf,
  contentOf,
  leftoversOf,
  openStage,
  points,
  statusOf,
  until,
  type Stage,
} from './stage.js'

let stage: Stage
let sequence = 0

/** A volume that is archived when somebody has used it. */
async function goldVolume(project = 'payments'): Promise<{ volume: Volume; use: () => Promise<void> }> {
  const tenant = await stage.tenant(project)
  const volume = await tenant.createVolume(`db-${(sequence += 1)}`, { metadata: { archive: 'gold' } })
  return { volume, use: () => tenant.use(volume) }
}

/** Adds faults and returns how often each of them struck. */
function strike(...faults: (FaultKind & { count?: number })[]): () => number[] {
  const ids = faults.map((fault) => stage.sandbox.faults.add(fault))
  return () => ids.map((id) => stage.sandbox.faults.list().find((one) => one.id === id)?.hits ?? 0)
}

const marked = (id: string, purpose: string): string => `"ck:volume":"${id}","ck:purpose":"${purpose}"`

/** What an archive of this volume asks of Cinder, but for the restore, whose path names the backup. */
const posts = (id: string) => [
  { method: 'POST', path: '/snapshots$', body: id },
  { method: 'POST', path: '/volumes$', body: marked(id, 'temporary') },
  { method: 'POST', path: '/backups$', body: marked(id, 'copy') },
  { method: 'POST', path: '/volumes$', body: marked(id, 'scratch') },
]

async function backupOf(volume: Volume, status: string): Promise<string> {
  await until(`a backup that is ${status}`, () => backupsOf(stage, volume)[0]?.status === status)
  return backupsOf(stage, volume)[0]?.id ?? ''
}

/** How the volume's first archive failed. */
async function failureOf(volume: Volume): Promise<{ message: string; outcome: ArchiveOutcome }> {
  await until(`an archive of ${volume.name}`, async () => (await archivesOf(stage, volume)).length > 0)
  const [archive = ''] = (await archivesOf(stage, volume)).slice(-1)
  const end: unknown = await stage.client.workflow
    .getHandle(archive)
    .result()
    .catch((error: unknown) => error)
  const cause = end instanceof WorkflowFailedError ? end.cause : null
  if (!(cause instanceof ApplicationFailure)) throw new Error(`${archive} did not fail`)
  expect(cause.type).toBe('CK-ARCHIVE-FAILED')
  await stage.sandbox.idle()
  return { message: cause.message, outcome: cause.details?.[0] as ArchiveOutcome }
}

const scenarios: Record<string, () => Promise<void>> = {
  'archives a volume when it is created, and again when it was used': async () => {
    const tenant = await stage.tenant('web')
    const volume = await tenant.createVolume('site')
    await points(stage, volume)
    await tenant.use(volume)
    const [newest, oldest] = await points(stage, volume, 'verified', 2)
    const content = await contentOf(stage, volume)
    expect(newest?.copies[0]?.rootHash).toBe(content)
    expect(oldest?.copies[0]?.rootHash).not.toBe(content)
    expect(newest?.slot).toMatch(/^event:volume\.detach\.end:/)
    expect(oldest?.slot).toMatch(/^event:volume\.create\.end:/)
    expect(newest?.consistency).toBe('detached')
    expect(backupsOf(stage, volume)).toHaveLength(2)
  },

  'makes one archive of a notification that comes twice': async () => {
    const { volume, use } = await goldVolume()
    const struck = strike({ kind: 'double-notification', event: 'volume.detach.end' })
    await use()
    await expectOneProvenCopy(stage, volume)
    expect(struck()).toEqual([1])
  },

  'waits while Cinder answers 503 to everything that makes something': async () => {
    const { volume, use } = await goldVolume()
    const struck = strike(
      ...posts(volume.id).map((post) => ({ kind: 'status' as const, status: 503, count: 2, ...post })),
    )
    await use()
    await expectOneProvenCopy(stage, volume)
    expect(struck()).toEqual([2, 2, 2, 2])
  },

  'makes nothing twice although the answer to each request that makes something is lost': async () => {
    const { volume, use } = await goldVolume()
    const struck = strike(...posts(volume.id).map((post) => ({ kind: 'lost-answer' as const, ...post })))
    await use()
    const backup = await backupOf(volume, 'creating')
    const restore = strike({ kind: 'lost-answer', method: 'POST', path: `${backup}/restore$` })
    await expectOneProvenCopy(stage, volume)
    expect([...struck(), ...restore()]).toEqual([1, 1, 1, 1, 1])
    const made = stage.sandbox.record.requests.filter(
      ({ method, path, body }) =>
        method === 'POST' && /(snapshots|volumes|backups)$/.test(path) && JSON.stringify(body).includes(volume.id),
    )
    // and the two servers' attachments
    expect(made.map(({ path }) => path.split('/').at(-1))).toEqual(['snapshots', 'volumes', 'backups', 'volumes'])
  },

  'gives up on requests that are never answered, and asks again': async () => {
    const { volume, use } = await goldVolume()
    const struck = strike(
      { kind: 'hang', method: 'GET', path: `/volumes/${volume.id}$`, count: 1 },
      { kind: 'hang', method: 'POST', path: '/snapshots$', body: volume.id },
    )
    await use().catch(async () => use())
    await expectOneProvenCopy(stage, volume)
    expect(struck()).toEqual([1, 1])
  },

  'calls a backup damaged whose data is, though Cinder calls it available': async () => {
    const { volume, use } = await goldVolume()
    strike({ kind: 'slow', milliseconds: 3000, method: 'POST', path: '/volumes$', body: marked(volume.id, 'scratch') })
    await use()
    await stage.sandbox.damageBackup(await backupOf(volume, 'available'), 'flip')
    const { message, outcome } = await failureOf(volume)
    expect(message).toContain('CK-COPY-DAMAGED')
    expect(outcome.targets).toMatchObject([{ copy: { state: 'damaged' }, failure: { code: 'CK-COPY-DAMAGED' } }])
    const [backup] = backupsOf(stage, volume)
    expect(backup?.status).toBe('available')
    expect(JSON.parse(backup?.metadata['ck:state'] ?? '{}')).toMatchObject({ state: 'damaged', verifiedAt: null })
    await until('failing', async () => (await statusOf(stage, volume))?.protection === 'failing')
    expect(await statusOf(stage, volume)).toMatchObject({ verifiedAt: null, points: 1 })
    expect(leftoversOf(stage, volume, [outcome.archiveId])).toEqual([])
  },

  'calls a backup damaged that vanished before it was read back, and ends': async () => {
    const { volume, use } = await goldVolume()
    // not as long as a request may take
    const slow = { kind: 'slow', milliseconds: 5000, method: 'POST' } as const
    strike({ ...slow, path: '/volumes$', body: marked(volume.id, 'temporary') })
    strike({ ...slow, path: '/volumes$', body: marked(volume.id, 'scratch') })
    const struck = strike({ ...slow, path: '/backups$', body: marked(volume.id, 'copy') })
    await use()
    const id = await backupOf(volume, 'available')
    stage.sandbox.state.backups.delete(id)
    expect(struck()).toEqual([1])
    const { message } = await failureOf(volume)
    expect(message).toMatch(/CK-COPY-DAMAGED|CK-BACKUP-GONE/)
  },

  'leaves nothing of an archive whose volume was deleted before it was captured': async () => {
    const { volume, use } = await goldVolume()
    const struck = strike({ kind: 'hang', method: 'POST', path: '/snapshots$', body: volume.id })
    await use()
    await until('the request for a snapshot', () => struck()[0] === 1)
    await cinder(stage.admin).deleteVolume(volume.id)
    const { message, outcome } = await failureOf(volume)
    expect(message).toContain('CK-VOLUME-GONE')
    expect(leftoversOf(stage, volume, [outcome.archiveId])).toEqual([])
    expect(backupsOf(stage, volume)).toEqual([])
  },

  'never calls a copy verified whose capture was deleted with its volume': async () => {
    const { volume, use } = await goldVolume()
    await use()
    await backupOf(volume, 'creating')
    await stage.admin.request('block-storage', {
      ...{ method: 'DELETE', path: `/volumes/${volume.id}`, query: { cascade: 'true' } },
    })
    await until(`an archive of ${volume.name}`, async () => (await archivesOf(stage, volume)).length > 0)
    const [archive = ''] = (await archivesOf(stage, volume)).slice(-1)
    const outcome = (await stage.client.workflow.getHandle(archive).result()) as ArchiveOutcome
    const reason = expect.stringContaining('the capture was deleted before its hash was taken') as unknown
    expect(outcome.targets).toMatchObject([{ copy: { state: 'unverified', verifiedAt: null, reason } }])
    await stage.sandbox.idle()
    expect(leftoversOf(stage, volume, [outcome.archiveId])).toEqual([])
    expect(backupsOf(stage, volume)).toMatchObject([{ status: 'available' }])
  },

  'finishes the archive of a volume that is transferred meanwhile, and removes the snapshot that went along':
    async () => {
      const { volume, use } = await goldVolume()
      await use()
      await backupOf(volume, 'creating')
      await transfer(volume, 'research')
      const point = await expectOneProvenCopy(stage, volume)
      expect(point.projectId).toBe(volume.projectId)
    },

  'archives two volumes at once': async () => {
    const [one, two] = await Promise.all([goldVolume(), goldVolume('research')])
    await Promise.all([one.use(), two.use()])
    const both = await Promise.all([one, two].map(async ({ volume }) => expectOneProvenCopy(stage, volume)))
    const [first, second] = await Promise.all(
      both.map(async ({ archive }) => stage.client.workflow.getHandle(archive).describe()),
    )
    expect(first?.startTime.getTime()).toBeLessThan(second?.closeTime?.getTime() ?? 0)
    expect(second?.startTime.getTime()).toBeLessThan(first?.closeTime?.getTime() ?? 0)
  },

  'removes what a terminated archive left': async () => {
    const { volume, use } = await goldVolume()
    await use()
    await backupOf(volume, 'creating')
    const [archive = ''] = await archivesOf(stage, volume)
    const { archiveId } = (await stage.client.workflow.getHandle(archive).describe()).memo as { archiveId: string }
    await stage.client.workflow.getHandle(archive).terminate('a test')
    await until('nothing left', () => leftoversOf(stage, volume, [archiveId]).length === 0)
    expect(backupsOf(stage, volume)).toHaveLength(1)
  },

  'tells the cancelled archive’s reason, and leaves nothing of it': async () => {
    const { volume, use } = await goldVolume()
    await use()
    await backupOf(volume, 'creating')
    const [archive = ''] = await archivesOf(stage, volume)
    const handle = stage.client.workflow.getHandle(archive)
    const { archiveId } = (await handle.describe()).memo as { archiveId: string }
    await handle.cancel()
    await expect(handle.result()).rejects.toThrow()
    expect((await handle.describe()).status.name).toBe('CANCELLED')
    await stage.sandbox.idle()
    expect(leftoversOf(stage, volume, [archiveId])).toEqual([])
  },
}

async function transfer({ id }: Volume, to: string): Promise<void> {
  const request = { method: 'POST', microversion: { least: '3.55', most: '3.64' } } as const
  const json = { transfer: { volume_id: id, name: 'sold' } }
  const made = await stage.admin.request('block-storage', { ...request, path: '/volume-transfers', json })
  const { transfer: offered } = made.body as { transfer: { id: string; auth_key: string } }
  const session = connectCloud(await loadCloud({ env: stage.sandbox.envOf(to), cwd: '/', home: '/' }), {
    log: silentLog,
  })
  const accept = { accept: { auth_key: offered.auth_key } }
  await session.request('block-storage', { ...request, path: `/volume-transfers/${offered.id}/accept`, json: accept })
  session.close()
}

describe('an archive', () => {
  const running = new Map<string, Promise<void>>()

  beforeAll(async () => {
    stage = await openStage({ timeoutSeconds: 6 })
    for (const [title, play] of Object.entries(scenarios)) {
      const played = play()
      // told by its test
      played.catch(() => undefined)
      running.set(title, played)
    }
  })
  afterAll(async () => {
    await Promise.allSettled(running.values())
    await stage.close()
  })

  // all of them play at once, each with a volume of its own
  it.each(Object.keys(scenarios))('%s', async (title) => running.get(title))

  it('is never made of a volume that Cinderkeep made itself', async () => {
    await Promise.allSettled(running.values())
    const archived = new Set<string>()
    for await (const { workflowId } of stage.client.workflow.list({ query: "WorkflowType = 'archiveVolume'" })) {
      archived.add(workflowId.split('/')[1] ?? '')
    }
    const created = stage.sandbox.notifier.published.filter(({ eventType }) => eventType === 'volume.create.end')
    expect(created.length).toBeGreaterThan(archived.size)
    const tenants = [...stage.sandbox.record.requests].filter(
      ({ method, path, body }) =>
        method === 'POST' && path.endsWith('/volumes') && !JSON.stringify(body).includes('ck:installation'),
    )
    expect(archived.size).toBe(tenants.length)
  })
})
