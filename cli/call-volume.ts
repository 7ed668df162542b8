import type { Client } from '@temporalio/client'
import type { Config } from '../config/config.js'
import { CodedError } from '../errors/coded-error.js'
import type { Cli } from './context.js'
import { openTemporal } from './open-temporal.js'

/** How long an answer of a volume's workflow may take; a control worker answers within a second. */
const patienceMs = 30_000

/**
 * Does something with a client; Temporal's own errors become ours.
 * @throws CodedError `CK-TEMPORAL-UNREACHABLE`, `CK-TEMPORAL-NAMESPACE`, `CK-WORKER-AWAY`
 */
export async function withTemporal<T>(
  cli: Cli,
  config: Config,
  act: (client: Client) => Promise<T>,
  patienceSeconds?: number,
): Promise<T> {
  const { client, close } = await openTemporal(cli, config, patienceSeconds)
  try {
    return await act(client)
  } catch (error) {
    throw toCoded(error, client)
  } finally {
    await close()
  }
}

/** Bounds a call that a worker answers. */
export async function bounded<T>(client: Client, call: () => Promise<T>): Promise<T> {
  return await client.withDeadline(Date.now() + patienceMs, call)
}

/** Numbers of gRPC's status codes, in the order of their meaning here. */
const [cancelled, deadline, notFound, unavailable] = [1, 4, 5, 14]

/** The gRPC status of an error of the SDK, wherever it lies in its causes. */
export function grpcCode(error: unknown): number | undefined {
  for (let one: unknown = error; one instanceof Error; one = one.cause) {
    if ('code' in one && typeof one.code === 'number') return one.code
  }
  return undefined
}

/** Exported for its test. */
export function toCoded(error: unknown, { options: { namespace } }: { options: { namespace: string } }): unknown {
  if (error instanceof CodedError) return error
  const code = grpcCode(error)
  const queryWithoutWorker = error instanceof Error && error.name === 'QueryRejectedError'
  const timedOut = error instanceof Error && error.name === 'WorkflowUpdateRPCTimeoutOrCancelledError'
  if (code === deadline || code === cancelled || timedOut || queryWithoutWorker) {
    return new CodedError('CK-WORKER-AWAY', `no control worker answered within ${patienceMs / 1000} s`, {
      cure:
        'Check that `cinderkeep run --role control` runs with the same temporal: settings, and its log.\n' +
        'An archive that was asked for may still be accepted when a worker comes.',
      cause: error,
    })
  }
  if (code === unavailable) {
    return new CodedError('CK-TEMPORAL-UNREACHABLE', 'Temporal stopped answering', {
      cure: 'Check that the server runs.',
      cause: error,
    })
  }
  const noNamespace = error instanceof Error && error.name === 'NamespaceNotFoundError'
  if (
    noNamespace ||
    (code === notFound && error instanceof Error && /namespace/i.test(`${error.message} ${String(error.cause)}`))
  ) {
    return new CodedError('CK-TEMPORAL-NAMESPACE', `Temporal has no namespace "${namespace}"`, {
      cure: `Check temporal.namespace, or create it: temporal operator namespace create -n ${namespace} --retention 90d`,
      cause: error,
    })
  }
  return error
}
