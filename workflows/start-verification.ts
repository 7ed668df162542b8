import { WorkflowExecutionAlreadyStartedError } from '@temporalio/common'
import { ParentClosePolicy, startChild, WorkflowIdReusePolicy } from '@temporalio/workflow'
import type { Copy } from '../targets/target.js'
import type { VerifyNow } from './messages.js'
import { verifyWorkflowId, volumeWorkflowId, workflowTypes } from './messages.js'
import { searchAttributes } from './search-attributes.js'
import type { verifyPoint } from './verify-point.js'

/** Starts reading a point back, beside everything else, and returns when it has started. */
export async function startVerification(what: {
  volumeId: string
  name: string | null
  project: string | null
  /** As far as they are known; those of an old point lie on the targets alone. */
  copies: Copy[]
  verification: VerifyNow
}): Promise<void> {
  const { volumeId, name, project, copies, verification } = what
  const { point, targets, id, patient = false } = verification
  const named = name === null || name === '' ? volumeId : name
  const wanted = targets ?? copies.map(({ target }) => target)
  const of = project === null ? named : `${named} (${project})`
  try {
    await startChild<typeof verifyPoint>(workflowTypes.verifyPoint, {
      workflowId: verifyWorkflowId(volumeId, point, id),
      args: [{ volumeId, name: named, point, targets, copies, patient, entity: volumeWorkflowId(volumeId) }],
      parentClosePolicy: ParentClosePolicy.ABANDON,
      workflowIdReusePolicy: WorkflowIdReusePolicy.REJECT_DUPLICATE,
      staticSummary: `${of} · ${point} · read back${wanted.length === 0 ? '' : ` from ${wanted.join(', ')}`}`,
      staticDetails: `- volume \`${volumeId}\` of ${project ?? 'a project not yet known'}\n- ${patient ? 'its archive had no room to read it back' : 'asked for by a person'}`,
      typedSearchAttributes: [
        { key: searchAttributes.name, value: named },
        ...(project === null ? [] : [{ key: searchAttributes.project, value: project }]),
        ...(wanted.length === 0 ? [] : [{ key: searchAttributes.target, value: wanted }]),
      ],
    })
  } catch (error) {
    // asked twice: it is read back already
    if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error
  }
}
