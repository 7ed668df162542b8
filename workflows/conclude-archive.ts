import { ApplicationFailure } from '@temporalio/workflow'
import type { ArchiveOutcome, ArchiveRequest } from './messages.js'
import { archiveFailedType, isDeferral } from './messages.js'
import { showArchive } from './show-archive.js'

/**
 * Ends an archive: well, or put off on some targets, which its volume's workflow tries again, or failed.
 * @throws ApplicationFailure `CK-ARCHIVE-FAILED` with the outcome as its detail
 */
export function concludeArchive(request: ArchiveRequest, outcome: ArchiveOutcome): ArchiveOutcome {
  const missing = outcome.targets.filter(({ failure }) => failure !== null)
  const failed = missing.filter((target) => !isDeferral(target))
  if (failed.length === 0) {
    // nothing is wrong that time, or more room, will not mend
    showArchive(request, outcome, missing.length === 0 ? 'done' : 'deferred')
    return outcome
  }
  showArchive(request, outcome, 'failed')
  const lines = missing.map(({ target, failure }) => `  ${target}: ${failure?.message ?? ''}`)
  const { name, id } = request.volume
  const failure = ApplicationFailure.create({
    type: archiveFailedType,
    message: [
      `${archiveFailedType}  ${name || id} has no good copy on ${missing.map(({ target }) => target).join(', ')}`,
      ...lines,
    ].join('\n'),
    nonRetryable: true,
    details: [outcome],
  })
  // the message says all; a stack would only bury it in the UI
  failure.stack = ''
  throw failure
}
