import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Volume } from '../../openstack/cinder.js'
import type { Pause } from '../../workflows/permit-messages.js'
import { bytesPerGib, createCrowd } from './crowd.js'
import { archivesOf, backupsOf, leftoversOf, openStage, points, until, type Stage } from './stage.js'

let stage: Stage
let volumes: Volume[]
beforeAll(async () => {
  const policies = { all: { on: ['volume.create.end'], settle: '1s', copies: [{ target: 'cinder' }] } }
  stage = await openStage({
    ...{ driver: 'chunked', timeoutSeconds: 60, policies },
    bytesPerGib,
    delays: { 'backup.create': 1500, 'backup.restore': 500 },
  })
})
afterAll(async () => {
  await stage.close()
})

async function running(phase = ''): Promise<string[]> {
  const found: string[] = []
  const also = phase === '' ? '' : ` AND phase = '${phase}'`
  const query = `WorkflowType = 'archiveVolume' AND ExecutionStatus = 'Running'${also}`
  for await (const { workflowId } of stage.client.workflow.list({ query })) found.push(workflowId)
  return found
}
const volumeOf = (archive: string) => archive.split('/')[1] ?? ''

/** What an archive does in the cloud, as far as its record goes. */
const begun = () => stage.sandbox.load.entries.length + restores()
const restores = () => stage.sandbox.record.requests.filter(({ path }) => path.endsWith('/restore')).length

describe('pause, cancel and resume during 50 archives', () => {
  let cancelled: string[]

  it('stops all of them at safe points, and nothing is begun meanwhile', async () => {
    volumes = await createCrowd(stage, ['payments', 'research'], 25)
    await until(
      'some are being written',
      () => stage.sandbox.load.entries.filter((one) => one.kind === 'backup').length >= 10,
    )
    const { code, stdout } = await stage.command('pause', '--reason', 'new disks', '--json')
    expect(code).toBe(0)
    const told = JSON.parse(stdout) as { scopes: unknown; paused: Record<string, Pause> }
    expect(told.scopes).toEqual([{ scope: 'all', changed: true }])
    expect(told.paused['all']).toMatchObject({ reason: 'new disks' })
    expect(told.paused['all']?.by).toContain('@')
    await until('all that run are stopped', async () => {
      const [all, stopped] = [await running(), [...(await running('paused')), ...(await running('waiting'))]]
      return all.length > 0 && all.length === stopped.length
    })
    await stage.sandbox.idle()
    const before = begun()
    await sleep(8000)
    expect(begun()).toBe(before)
    expect((await running()).length).toBeGreaterThanOrEqual(10)
  })

  it('refuses what it does not know, with the nearest word', async () => {
    const archive = (await running())[0] ?? ''
    const slips: [string[], RegExp][] = [
      [['pause', '--target', 'cindre'], /^CK-TARGET-UNKNOWN {2}"cindre" is no target; did you mean "cinder"\?/m],
      [['pause', '--backend', 'sandbox@file'], /^CK-BACKEND-UNKNOWN {2}.*did you mean "sandbox@files"\?/m],
      [['cancel', `${archive}1`], /^CK-ARCHIVE-UNKNOWN {2}.*did you mean "archive\//m],
      [['cancel', 'payments-99'], /^CK-VOLUME-UNKNOWN/m],
    ]
    for (const [args, said] of slips) {
      const { code, stdout, stderr } = await stage.command(...args)
      expect([args, code, stdout]).toEqual([args, 4, ''])
      expect(stderr).toMatch(said)
    }
  })

  it('cancels by archive and by volume, and returns when they have cleaned up', async () => {
    // some were stopped before they captured: they have written nothing
    const wrote = volumes.filter((volume) => backupsOf(stage, volume).length > 0).map(({ id }) => id)
    const stopped = (await running('paused')).filter((archive) => wrote.includes(volumeOf(archive)))
    expect(stopped.length).toBeGreaterThan(3)
    const late = await running('waiting')
    const some = [...stopped.slice(0, 3), ...late.slice(0, 3)]
    const byVolume = stopped.at(-1) ?? ''
    const { code, stdout } = await stage.command('cancel', ...some, volumeOf(byVolume), '--json')
    expect(code).toBe(0)
    cancelled = [...some, byVolume]
    const ended = JSON.parse(stdout) as { archive: string; state: string }[]
    expect(ended).toEqual(cancelled.map((archive) => ({ archive, state: 'cancelled' })))
    for (const archive of cancelled) {
      const volume = volumes.find(({ id }) => id === volumeOf(archive))
      if (volume === undefined) throw new Error('it is one of ours')
      const archiveIds = backupsOf(stage, volume).map(({ metadata }) => metadata['ck:archive'] ?? '')
      expect(leftoversOf(stage, volume, archiveIds)).toEqual([])
    }
  })

  it('says who paused it when it is paused again, and goes on after resume: nothing is lost, nothing is left', async () => {
    const again = await stage.command('pause')
    expect(again.stdout).toMatch(/^all: was paused already by .*: new disks$/m)
    const { code, stdout } = await stage.command('resume')
    expect([code, stdout]).toEqual([0, 'all: goes on\n'])
    expect((await stage.command('resume')).stdout).toBe('all: was not paused\n')
    await until('all archives have ended', async () => (await running()).length === 0)
    await stage.sandbox.idle()
    const lost = new Set(cancelled.map(volumeOf))
    for (const volume of volumes) {
      const proven = backupsOf(stage, volume).filter(({ metadata }) => /"verified"/.test(metadata['ck:state'] ?? ''))
      expect([volume.name, proven.length]).toEqual([volume.name, lost.has(volume.id) ? 0 : 1])
      expect(await archivesOf(stage, volume)).toHaveLength(1)
    }
    const { snapshots, volumes: all, backups } = stage.sandbox.state
    expect([...snapshots.values()].map(({ name }) => name)).toEqual([])
    expect(all.size).toBe(volumes.length)
    expect([...backups.values()].filter(({ status }) => status !== 'available')).toEqual([])
  })

  it('remembers what a cancelled archive had written, unverified, and archives again when it is asked to', async () => {
    const volume = volumes.find(({ id }) => id === volumeOf(cancelled[0] ?? ''))
    if (volume === undefined) throw new Error('it is one of ours')
    // its workflow reads it from the target, a while after the archive has ended
    const known = (await points(stage, volume, 'unverified')).flatMap(({ copies }) => copies.map(({ state }) => state))
    expect(known).toEqual(['unverified'])
    const { code } = await stage.command('archive', volume.id, '--wait')
    expect(code).toBe(0)
  })
})
