import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { releaseCapture } from '../../activities/release-capture.js'
import { takeCapture } from '../../activities/take-capture.js'
import { undoArchive } from '../../activities/undo-archive.js'
import { activityBench, type ActivityBench } from './bench.js'

let bench: ActivityBench
beforeAll(async () => {
  bench = await activityBench()
})
afterEach(() => {
  bench.sandbox.faults.clear()
  bench.sandbox.record.clear()
})
afterAll(async () => {
  await bench.end()
})

async function captured() {
  const volumeId = await bench.newVolume()
  const request = bench.request(volumeId)
  const { snapshotId } = await bench.run(takeCapture(bench.deps), request)
  const snapshot = bench.sandbox.state.snapshots.get(snapshotId)
  if (snapshot === undefined) throw new Error('no snapshot was taken')
  return { volumeId, archiveId: request.archiveId, snapshotId, snapshot }
}

describe('releaseCapture', () => {
  it('returns when the snapshot is gone, and is content when it was gone before', async () => {
    const { volumeId, archiveId, snapshotId } = await captured()
    const other = await bench.tenant.createSnapshot({ volumeId, name: 'mine', force: true })
    await bench.run(releaseCapture(bench.deps), { volumeId, archiveId, snapshotId })
    expect(bench.snapshotsOf(volumeId).map(({ id }) => id)).toEqual([other.id])
    await bench.run(releaseCapture(bench.deps), { volumeId, archiveId, snapshotId })
    expect(bench.snapshotsOf(volumeId).map(({ id }) => id)).toEqual([other.id])
  })

  it('finds by name what was never known by id, and both of two', async () => {
    const { volumeId, archiveId, snapshot } = await captured()
    await bench.api.createSnapshot({ volumeId, name: `ck-${archiveId}`, force: true, metadata: snapshot.metadata })
    await bench.run(releaseCapture(bench.deps), { volumeId, archiveId, snapshotId: null })
    expect(bench.snapshotsOf(volumeId)).toEqual([])
  })

  it('says that a snapshot is busy when Cinder silently returns it to available', async () => {
    const { volumeId, archiveId, snapshotId } = await captured()
    const clone = await bench.tenant.createVolume({ name: 'clone', sizeGib: 1 })
    await bench.sandbox.idle()
    const row = bench.sandbox.state.volumes.get(clone.id)
    if (row !== undefined) row.snapshotId = snapshotId
    const release = bench.run(releaseCapture(bench.deps), { volumeId, archiveId, snapshotId })
    await expect(release).rejects.toMatchObject({ code: 'CK-SNAPSHOT-BUSY' })
    expect(bench.snapshotsOf(volumeId)).toHaveLength(1)
    if (row !== undefined) row.snapshotId = null
    await bench.run(releaseCapture(bench.deps), { volumeId, archiveId, snapshotId })
    expect(bench.snapshotsOf(volumeId)).toEqual([])
  })

  it('waits for a deletion that an earlier attempt asked for, and asks for no second one', async () => {
    const { volumeId, archiveId, snapshotId } = await captured()
    await bench.api.deleteSnapshot(snapshotId)
    bench.sandbox.record.clear()
    await bench.run(releaseCapture(bench.deps), { volumeId, archiveId, snapshotId })
    expect(bench.snapshotsOf(volumeId)).toEqual([])
    expect(bench.asked('DELETE', /\/snapshots\//)).toBe(0)
  })

  it('waits for a snapshot that is still being made before it deletes it', async () => {
    const { volumeId, archiveId, snapshotId, snapshot } = await captured()
    snapshot.status = 'creating'
    const release = bench.run(releaseCapture(bench.deps), { volumeId, archiveId, snapshotId })
    await expect.poll(() => bench.asked('GET', new RegExp(`/snapshots/${snapshotId}`))).toBeGreaterThan(0)
    snapshot.status = 'available'
    await release
    expect(bench.snapshotsOf(volumeId)).toEqual([])
  })

  it('gives up waiting for a snapshot whose making a broker lost', async () => {
    const { volumeId, archiveId, snapshotId, snapshot } = await captured()
    snapshot.status = 'creating'
    snapshot.createdAt = new Date(Date.now() - 61 * 60_000).toISOString().slice(0, 19)
    await bench.run(releaseCapture(bench.deps), { volumeId, archiveId, snapshotId })
    expect(bench.snapshotsOf(volumeId)).toEqual([])
  })

  it('frees a snapshot that a backup service left backing-up when it died, but not one that is being backed up', async () => {
    const { volumeId, archiveId, snapshotId, snapshot } = await captured()
    snapshot.status = 'backing-up'
    bench.sandbox.faults.add({ kind: 'stuck', work: 'backup.create' })
    const backup = await bench.api.createBackup({ volumeId, name: 'being made', snapshotId }).catch(() => null)
    expect(backup).toBeNull()
    snapshot.status = 'available'
    const stuck = await bench.api.createBackup({ volumeId, name: 'being made', snapshotId })
    const release = bench.run(releaseCapture(bench.deps), { volumeId, archiveId, snapshotId })
    await expect.poll(() => bench.asked('GET', /\/backups\/detail/)).toBeGreaterThan(1)
    expect(bench.snapshotsOf(volumeId)).toMatchObject([{ status: 'backing-up' }])
    const row = bench.sandbox.state.backups.get(stuck.id)
    if (row !== undefined) row.status = 'error'
    await release
    expect(bench.snapshotsOf(volumeId)).toEqual([])
  })

  it('gets over a deletion that failed', async () => {
    const { volumeId, archiveId, snapshotId } = await captured()
    bench.sandbox.faults.add({ kind: 'fail', work: 'snapshot.delete' })
    await bench.run(releaseCapture(bench.deps), { volumeId, archiveId, snapshotId })
    expect(bench.snapshotsOf(volumeId)).toEqual([])
  })

  it('finds the snapshot although a transfer of the volume took it along to another project', async () => {
    const { volumeId, archiveId, snapshotId, snapshot } = await captured()
    snapshot.projectId = [...bench.sandbox.state.projects.values()].find(({ name }) => name === 'research')?.id ?? ''
    await bench.run(releaseCapture(bench.deps), { volumeId, archiveId, snapshotId })
    expect(bench.snapshotsOf(volumeId)).toEqual([])
  })
})

describe('undoArchive', () => {
  it('removes by name what a terminated archive left, and nothing of another one', async () => {
    const { volumeId, archiveId, snapshotId } = await captured()
    const other = await captured()
    const makeTemporary = async (archive: string) =>
      bench.api.createVolume({
        ...{ name: `ck-${archive}-cinder-temp`, sizeGib: 1 },
        metadata: { 'ck:installation': bench.installation, 'ck:archive': archive, 'ck:purpose': 'temporary' },
      })
    const temporary = await makeTemporary(archiveId)
    const kept = await makeTemporary(other.archiveId)
    await bench.sandbox.idle()
    // the snapshot cannot go before its clone
    const clone = bench.sandbox.state.volumes.get(temporary.id)
    if (clone !== undefined) clone.snapshotId = snapshotId
    await bench.run(undoArchive(bench.deps), { volumeId, archiveId, targets: ['cinder'] })
    expect(bench.snapshotsOf(volumeId)).toEqual([])
    expect(bench.sandbox.state.volumes.has(temporary.id)).toBe(false)
    expect(bench.sandbox.state.volumes.has(kept.id)).toBe(true)
    expect(bench.snapshotsOf(other.volumeId)).toHaveLength(1)
  })

  it('releases the capture also when a target was taken out of the configuration', async () => {
    const { volumeId, archiveId } = await captured()
    await bench.run(undoArchive(bench.deps), { volumeId, archiveId, targets: ['no longer'] })
    expect(bench.snapshotsOf(volumeId)).toEqual([])
  })
})
