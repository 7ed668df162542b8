/** A mover as `cinderkeep run --role mover` is one, without Temporal: the target's own acts on one capture after the other. */
import { randomUUID } from 'node:crypto'
import { createLog } from '../../log/log.js'
import { openSources } from '../../source/open-sources.js'
import { sourcesOptions } from '../../source/options.js'
import { createRbdSnapshot } from '../../source/rbd-snapshots.js'
import { openTargets } from '../../targets/open-targets.js'
import { targetsOptions } from '../../targets/options.js'
import type { Capture, Copy, CopyContext } from '../../targets/target.js'
import { given, serve } from './serve.js'

/** How long each step of an archive took, in milliseconds, and what it read and wrote. */
export interface Moved {
  captureMs: number
  writeMs: number
  verifyMs: number
  writtenBytes: number
  state: string
}

const host = 'bench@ceph#ceph'

serve(async () => {
  const conf = given('PROD_CONF')
  const access = { conf, user: given('PROD_USER'), pool: 'volumes', parents: [] }
  const sources = openSources(
    sourcesOptions.parse([
      { match: '*', kind: 'rbd', ...access, ...(process.env['WHOLE_OBJECT'] === '1' && { wholeObject: 'always' }) },
    ]),
  )
  const kind = { kind: 'ceph', conf: given('BACKUP_CONF'), users: { write: 'ck-write', remove: 'ck-remove' } }
  const options = targetsOptions.parse({ second: { ...kind, pool: 'archives', macKey: { file: given('MAC_KEY') } } })
  const log = createLog('warn', { role: 'mover' })
  // a target that reads through sources asks nothing of Cinder
  const target = openTargets(options, { cinder: {} as never, sources, installation: randomUUID(), log }).get('second')
  if (target === undefined) throw new Error('no target')
  const context: CopyContext = { signal: new AbortController().signal, report: () => undefined }

  async function archive(volumeId: string): Promise<Moved> {
    const started = performance.now()
    const capture = await captureOf(volumeId)
    const captured = performance.now()
    const copy = await target?.writeCopy(capture, null, context)
    const written = performance.now()
    if (copy === undefined) throw new Error('no copy')
    const verification = await target?.verifyCopy(copy, capture, context)
    const verified = performance.now()
    const { state = 'unverified', rootHash = null, reason = null } = verification ?? {}
    await target?.markCopy(copy, { state, rootHash, reason, verifiedAt: new Date().toISOString() }, context)
    return {
      captureMs: captured - started,
      writeMs: written - captured,
      verifyMs: verified - written,
      writtenBytes: (copy satisfies Copy).writtenBytes ?? 0,
      state,
    }
  }

  async function captureOf(volumeId: string): Promise<Capture> {
    const archiveId = randomUUID()
    const name = `backup.${archiveId}.snap.${String(Math.floor(Date.now() / 1000))}`
    const made = await createRbdSnapshot(access, `volume-${volumeId}`, name)
    const capturedAt = new Date().toISOString()
    return {
      ...{ archiveId, archive: 'bench', slot: `manual:${archiveId}`, group: null, capturedAt },
      point: `${capturedAt.slice(0, 19)}Z-${archiveId.slice(0, 8)}`,
      volume: {
        ...{ volumeId, host, nameId: null, name: 'bench', description: null, sizeGib: Math.ceil(made.size / 2 ** 30) },
        ...{ projectId: 'bench', userId: null, type: null, availabilityZone: null, bootable: false },
        ...{ multiattach: false, encrypted: false, encryptionKeyId: null, metadata: {}, imageMetadata: {} },
        attachments: [],
      },
      ...{ maker: 'rbd', snapshotId: String(made.id), snapshotName: name, consistency: 'detached', watchers: 'none' },
      sizeBytes: made.size,
    }
  }

  /** Removes the volume's copies with all that belongs to them. */
  async function forget(volumeId: string): Promise<void> {
    for (const copy of (await target?.listCopies(volumeId, context)) ?? []) await target?.removeCopy(copy, context)
  }

  return { acts: { archive, forget }, stop: async () => undefined }
})
