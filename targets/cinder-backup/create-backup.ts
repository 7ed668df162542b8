import { CodedError } from '../../errors/coded-error.js'
import type { Backup, Volume } from '../../openstack/cinder.js'
import { orNull } from '../../openstack/or-null.js'
import type { Capture, CopyContext } from '../target.js'
import { chooseParent } from './choose-parent.js'
import type { Driver } from './driver.js'
import { findOrCreate } from './find-or-create.js'
import { manifestToMetadata, markToMetadata, type Manifest } from './manifest.js'
import { ownMarks } from './marks.js'
import type { OwnBackup } from './own-backups.js'
import type { Setting } from './setting.js'
import { goneAsScratch } from './scratch-gone.js'
import { captureSnapshot, getCaptureSnapshot, temporaryVolume } from './temporary-volume.js'
import { whenFree } from './when-free.js'

/** Cinder refuses a longer one. */
const longestDescription = 255

/** What one backup is asked for; each way decides the parts in which it differs. */
export interface BackupPlan {
  capture: Capture
  driver: Driver
  way: Manifest['way']
  /** The first free name. */
  name: string
  /** An incremental backup of this archive failed: no more of them. */
  full: boolean
  /** Finds what an earlier request, whose answer was lost, has made. */
  find: () => Promise<Backup | undefined>
}

/** Asks Cinder for the backup, its manifest with it; answers while it is still `creating`. */
export async function createBackup(setting: Setting, context: CopyContext, plan: BackupPlan): Promise<Backup> {
  switch (plan.way) {
    case 'temporary': {
      return goneAsScratch(async () => {
        const volume = await temporaryVolume(setting, plan.capture, context)
        return request(setting, context, plan, null, { volumeId: volume.id })
      })
    }
    case 'snapshot': {
      const snapshot = await captureSnapshot(setting, plan.capture, context)
      const { volumeId, projectId } = plan.capture.volume
      const { sizeGib } = await setting.cinder.getVolume(volumeId)
      const before = snapshot.createdAt
      const parent = plan.full
        ? null
        : await chooseParent(setting, { volumeId, projectId, sizeGib, before, way: 'snapshot' })
      const busy = async () => {
        const { status } = await getCaptureSnapshot(setting, plan.capture)
        return status === 'backing-up' ? `the snapshot ${snapshot.name} is backed up for another target` : null
      }
      return whenFree(setting, context, busy, () =>
        request(setting, context, plan, parent, { volumeId, snapshotId: snapshot.id }),
      )
    }
    case 'force': {
      const volume = await volumeToForce(setting, plan)
      const parent = plan.full
        ? null
        : await chooseParent(setting, {
            ...{ volumeId: volume.id, projectId: plan.capture.volume.projectId, sizeGib: volume.sizeGib },
            ...{ before: null, way: 'force' },
          })
      return request(setting, context, plan, parent, { volumeId: volume.id, force: true })
    }
  }
}

async function request(
  setting: Setting,
  context: CopyContext,
  plan: BackupPlan,
  parent: OwnBackup | null,
  what: { volumeId: string; snapshotId?: string; force?: boolean },
): Promise<Backup> {
  const { cinder, options } = setting
  const { volume, point } = plan.capture
  return findOrCreate(setting, context, `Cinder's backup ${plan.name}`, plan.find, () =>
    cinder.createBackup({
      ...what,
      name: plan.name,
      description: firstCharacters(
        `Cinderkeep: volume ${volume.name === '' ? volume.volumeId : volume.name} at ${point}`,
        longestDescription,
      ),
      ...(parent !== null && { incremental: true }),
      // for Ceph's driver it would be the name of a pool
      ...(options.container !== undefined && plan.driver === 'chunked' && { container: options.container }),
      metadata: backupMetadata(setting, plan, parent),
    }),
  )
}

/** Whole characters, as Cinder counts them: half of one is no text that it could store. */
function firstCharacters(text: string, count: number): string {
  return Array.from(text).slice(0, count).join('')
}

function backupMetadata(setting: Setting, plan: BackupPlan, parent: OwnBackup | null): Record<string, string> {
  const { installation, name } = setting
  const { capture, driver, way } = plan
  const { archiveId, archive, slot, group, members, point, capturedAt, watchers, sizeBytes, snapshotId, volume } =
    capture
  return {
    ...ownMarks({ installation, archiveId, volumeId: volume.volumeId, purpose: 'copy' }),
    ...manifestToMetadata({
      format: 1,
      installation,
      target: name,
      point,
      archiveId,
      archive,
      slot,
      group,
      ...(members !== undefined && { members }),
      capturedAt,
      // a backup of a volume that may be in use is never better than a crash
      consistency: way === 'force' ? 'crash' : capture.consistency,
      watchers,
      sizeBytes,
      snapshotId,
      driver,
      way,
      base: parent === null ? null : { backupId: parent.backup.id, point: parent.manifest.point },
      chain: parent === null ? 0 : parent.manifest.chain + 1,
      volume,
    }),
    ...markToMetadata({ state: 'unverified', rootHash: null, verifiedAt: null, reason: null }),
  }
}

/** The rules of design section 7 for holding a tenant's volume in `backing-up`. */
async function volumeToForce(setting: Setting, { capture, driver }: BackupPlan): Promise<Volume> {
  const { volumeId } = capture.volume
  if (driver !== 'ceph') {
    throw refused(
      volumeId,
      "the backup driver is not Ceph's",
      'Take `force` out of the policy: chunked drivers back up snapshots.',
    )
  }
  if (/^event:(.*\.)?volume\.(create\.end|detach\.end|detach)(:|$)/.test(capture.slot)) {
    throw refused(
      volumeId,
      `the archive was asked for by ${capture.slot}`,
      'Somebody is about to attach the volume: let another event ask.',
    )
  }
  const volume = await orNull('CK-VOLUME-GONE', () => setting.cinder.getVolume(volumeId))
  if (volume === null) {
    throw new CodedError('CK-VOLUME-GONE', `volume ${volumeId} does not exist any more`, {
      cure: 'Nothing, when somebody deleted the volume.',
    })
  }
  if (volume.status !== 'available' && volume.status !== 'in-use') {
    throw new CodedError('CK-VOLUME-BUSY', `volume ${volumeId} is ${volume.status} and cannot be backed up now`, {
      cure: 'It is tried again by itself.',
    })
  }
  return volume
}

function refused(volumeId: string, why: string, cure: string): CodedError {
  return new CodedError('CK-FORCE-REFUSED', `no force backup is made of volume ${volumeId}: ${why}`, { cure })
}
