import type { Prepared } from '../activities/prepare-capture.js'
import type { CaptureRequest } from '../activities/take-capture.js'
import { captureTogether } from './capture-together.js'
import type { FreezeMember, FrozenSnapshot } from './freeze-messages.js'
import type { ArchiveOutcome, ArchiveRequest } from './messages.js'
import { snapshotFrozen } from './snapshot-frozen.js'

/** The code of a capture with a server of whose workflow nothing was heard. */
export const noGroup = 'CK-QUIESCE-NO-GROUP'

/** Whether guests are frozen for it where they run, or it is captured with its server. */
export function wantsFreeze({ consistency, targets, server }: ArchiveRequest): boolean {
  // a `force` backup takes its own snapshot at some later time
  return (consistency.prefer.includes('frozen') || server !== undefined) && targets.some(({ force }) => !force)
}

/**
 * Takes the snapshot of an archive while its servers are frozen, by itself or with the server's other volumes, where that
 * can be done.
 * @returns what `takeCapture` is to be told, which finds that snapshot, or takes one that is not frozen
 */
export async function freezeCapture(
  request: ArchiveRequest,
  outcome: ArchiveOutcome,
  prepared: Prepared,
  asked: CaptureRequest,
  tell: (reason: string) => void,
): Promise<CaptureRequest> {
  if (prepared.isTaken) return asked
  const { server } = request
  const member = memberOf(request, asked)
  if (server === undefined) {
    if (prepared.isDetached) return asked
    const { frozen, byNova, reasons } = await snapshotFrozen([member])
    return told(asked, outcome, { frozen: frozen[0] ?? null, byNova, reasons })
  }
  const captured = await captureTogether(request, server, member, tell)
  if (captured === null) return told(asked, outcome, { reasons: [`${noGroup}  its server was not captured`] })
  const { group, members, frozen, byNova, reasons } = captured
  return { ...told(asked, outcome, { frozen, byNova, reasons }), group, ...(members.length > 0 && { members }) }
}

function memberOf({ volume, capturedBy }: ArchiveRequest, asked: CaptureRequest): FreezeMember {
  const { volumeId, archiveId, archive, maxAgeSeconds } = asked
  return {
    ...{ volumeId, archiveId, archive, maxAgeSeconds, name: volume.name },
    ...(capturedBy !== undefined && { capturedBy }),
  }
}

function told(
  { capturedBy, ...asked }: CaptureRequest,
  outcome: ArchiveOutcome,
  { frozen = null, byNova = false, reasons }: { frozen?: FrozenSnapshot | null; byNova?: boolean; reasons: string[] },
): CaptureRequest {
  outcome.freezing = reasons
  return {
    ...asked,
    ...(capturedBy !== undefined && !byNova && { capturedBy }),
    ...(frozen !== null && { frozenSnapshotId: frozen.snapshotId, frozenAt: frozen.at }),
    ...(reasons.length > 0 && { notFrozen: reasons }),
  }
}
