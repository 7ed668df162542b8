import {
  isGrpcServiceError,
  NamespaceNotFoundError,
  ServiceError,
  WorkflowNotFoundError,
  type Client,
} from '@temporalio/client'
import { CodedError } from '../errors/coded-error.js'
import { controlQueue, hintSignal, workflowTypes } from '../workflows/messages.js'
import { serverHintSignal, serverWorkflowId } from '../workflows/server-messages.js'
import type { Deliver, Delivery } from './hand-over.js'

/** A signal that Temporal has not accepted in this time is tried again; milliseconds. */
const deadlineMs = 10_000

/** gRPC status codes after which trying again alone does not help. */
const refusals = new Map([
  [3, 'INVALID_ARGUMENT'],
  [5, 'NOT_FOUND'],
  [7, 'PERMISSION_DENIED'],
  [9, 'FAILED_PRECONDITION'],
  [12, 'UNIMPLEMENTED'],
  [16, 'UNAUTHENTICATED'],
])

/**
 * Signals the workflow of a volume or a server, and starts it where a policy may want the volume. A message given twice is a second
 * signal: the workflow remembers message ids.
 */
export function createDeliver(client: Client): Deliver {
  return async (delivery) => {
    try {
      await client.withDeadline(Date.now() + deadlineMs, () => signal(client, delivery))
    } catch (error) {
      throw explain(error, delivery.workflowId)
    }
  }
}

async function signal(client: Client, { workflowId, hints, start }: Delivery): Promise<void> {
  if (start) {
    const isServer = workflowId.startsWith(serverWorkflowId(''))
    await client.workflow.signalWithStart(isServer ? workflowTypes.captureServer : workflowTypes.watchVolume, {
      workflowId,
      taskQueue: controlQueue,
      signal: isServer ? serverHintSignal : hintSignal,
      signalArgs: [hints],
    })
    return
  }
  try {
    await client.workflow.getHandle(workflowId).signal(hintSignal, hints)
  } catch (error) {
    // nobody keeps this volume: there is nothing to tell
    if (!(error instanceof WorkflowNotFoundError)) throw error
  }
}

function explain(error: unknown, workflowId: string): unknown {
  if (error instanceof NamespaceNotFoundError) {
    return new CodedError('CK-TEMPORAL-REFUSED', `Temporal has no namespace "${error.namespace}"`, {
      cure: 'Create it (`temporal operator namespace create`), or correct temporal.namespace or TEMPORAL_NAMESPACE.',
      cause: error,
    })
  }
  if (!(error instanceof ServiceError)) return error
  const cause: unknown = error.cause
  const code = isGrpcServiceError(cause) ? (cause.code as number) : undefined
  const details = isGrpcServiceError(cause) ? cause.details : error.message
  const refusal = refusals.get(code ?? -1)
  if (refusal === undefined) {
    return new CodedError('CK-TEMPORAL-UNAVAILABLE', `Temporal did not take a signal: ${details}`, {
      cure: 'Check temporal.address and the server; it is tried again by itself, and the queue keeps the rest.',
      cause: error,
    })
  }
  return new CodedError('CK-TEMPORAL-REFUSED', `Temporal refuses a signal for ${workflowId} (${refusal}): ${details}`, {
    cure: cureOf(refusal, workflowId),
    cause: error,
  })
}

function cureOf(refusal: string, workflowId: string): string {
  if (refusal === 'PERMISSION_DENIED' || refusal === 'UNAUTHENTICATED') {
    return 'Check the API key or certificate of TEMPORAL_* and its rights in the namespace.'
  }
  return (
    'A search attribute may be unregistered (`cinderkeep run` registers them), or this workflow has taken 10,000 ' +
    `signals because no control worker runs: start one, or terminate ${workflowId}, which is rebuilt.`
  )
}
