import { CodedError } from '../../errors/coded-error.js'
import type { Volume } from '../../openstack/cinder.js'
import type { CopyContext, Verification } from '../target.js'
import type { OwnBackup } from './own-backups.js'
import { pollUntil } from './poll-until.js'
import { restoreFailed, type RestoreEnd } from './restore-into.js'
import { removeScratch, scratchVolume } from './scratch-volume.js'
import type { Setting } from './setting.js'

/** What came of one reading of a scratch volume. */
export type Reading =
  | Verification
  | (Failed & { expected: string })
  /** The scratch volume is not what was restored into it. */
  | { spoilt: string; byEarlier: boolean }
type Failed = Extract<RestoreEnd, { failed: unknown }>

const triesToRestore = 3

/** Words about the data themselves. Cinder's own message about a restore has none; the driver's reason may. */
const saysGone = /ImageNotFound|NoSuchKey|(image|object|file|backup)\b.*\b(not found|does not exist|cannot be read)/i
/** Words about what has nothing to do with the copy. */
const saysOther = /space|\bfull\b|quota|keyring|credential|permission|denied|time[d -]*out|unreachable|connect/i

/**
 * Reads the copy back until there is a verdict, each time from a scratch volume that is fresh or that an earlier attempt
 * filled to the end. When this is interrupted, the volume stays: the next attempt needs not restore again, and
 * removeTemporaries() removes it at the end of the archive.
 *
 * Cinder's message about a failed restore (026) tells nothing of why: the data are gone, or the scratch volume's pool is
 * full, a keyring is lost, a cluster was away for a minute. So a copy is `damaged` only if its restore failed three
 * times, `restoreRetrySeconds` apart, in the backup driver itself, while the service was up, into volumes that Cinder
 * could make, and with no word about space, rights or connections; or at once if Cinder says that the data are not
 * found. Otherwise it is `suspect`. What is not the driver's failure is none of the copy's: it is thrown.
 */
export async function untilRead(
  setting: Setting,
  own: OwnBackup,
  context: CopyContext,
  read: (scratch: Volume) => Promise<Reading>,
): Promise<Verification> {
  const failures: Failed['failed'][] = []
  for (;;) {
    const scratch = await scratchVolume(setting, own, context)
    const reading = await read(scratch)
    await removeScratch(setting, own, scratch, context)
    if ('state' in reading) return reading
    if ('spoilt' in reading) {
      if (reading.byEarlier) continue
      throw scratchLost(scratch, reading.spoilt)
    }
    const { failed, expected } = reading
    if (!failed.byDriver) throw restoreFailed(own.backup, failed)
    failures.push(failed)
    const isGone = saysGone.test(failed.said)
    if (isGone || failures.length === triesToRestore) return verdict(failures, isGone, expected)
    await pause(setting, context, failed.said)
  }
}

function verdict(failures: Failed['failed'][], isGone: boolean, rootHash: string): Verification {
  const times = failures.length === 1 ? 'once' : `${failures.length} times`
  const said = [...new Set(failures.map((failed) => failed.said))].join('; ')
  const told = `Cinder failed ${times} to restore it: ${said}`
  const doubt = failures.some((failed) => failed.services !== 'up')
    ? 'whether cinder-backup was up is not known'
    : saysOther.test(said)
      ? 'that need not be its data'
      : null
  if (isGone || doubt === null) return { state: 'damaged', rootHash, reason: told, readBytes: 0 }
  return { state: 'suspect', rootHash, reason: `${told}; ${doubt}`, readBytes: 0 }
}

async function pause(setting: Setting, context: CopyContext, said: string): Promise<void> {
  const { restoreRetrySeconds } = setting.options
  await pollUntil(setting, context, async (elapsedMs) => {
    const leftSeconds = restoreRetrySeconds - Math.floor(elapsedMs / 1_000)
    if (leftSeconds <= 0) return { done: undefined }
    return { waiting: { phase: `a restore failed (${said}), the next try is in ${leftSeconds} s` } }
  })
}

function scratchLost({ id }: Volume, how: string): CodedError {
  return new CodedError('CK-SCRATCH-LOST', `the scratch volume ${id} cannot be used: ${how}`, {
    cure: 'Leave volumes called ck-… alone. It is tried again by itself.',
  })
}
