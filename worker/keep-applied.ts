import type { Client, Connection } from '@temporalio/client'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Config } from '../config/config.js'
import type { Log } from '../log/log.js'
import { policyHash } from '../policy/policy-hash.js'
import { readAppliedPolicies } from './applied-policies.js'
import { registerSearchAttributes } from './register-search-attributes.js'
import { applyFirst } from './schedules.js'

const checkMs = 60_000

/**
 * Applies the file's policies where none ever were: in a new namespace, and in one that was wiped under us. Says so when
 * others are applied: this process then decides nothing. Looks every minute until `signal` aborts.
 */
export async function keepApplied(
  { client, connection, config, log }: { client: Client; connection: Connection; config: Config; log: Log },
  signal: AbortSignal,
  everyMs = checkMs,
): Promise<void> {
  const own = policyHash(config.policies)
  let told: string | null = null
  while (!signal.aborted) {
    try {
      const applied = await readAppliedPolicies(client)
      if (applied === null) {
        await registerSearchAttributes(connection, client.options.namespace)
        if (await applyFirst(client, config)) {
          const names = config.policies.map(({ name }) => name).join(', ')
          log.info(
            { policyHash: own, policies: names },
            'no policies were applied in this namespace: applied those of the file',
          )
        }
      } else {
        if (applied.policyHash !== own && applied.policyHash !== told) {
          const text = `the policies of ${config.path} are not those that were applied at ${applied.appliedAt}: nothing is decided until \`cinderkeep policy apply\``
          log.error({ code: 'CK-POLICY-DIFFERS', policyHash: own, applied: applied.policyHash }, text)
        }
        told = applied.policyHash
      }
    } catch (err) {
      // Temporal may be away; who asks for a decision is told as well
      log.warn({ err }, 'cannot tell which policies are applied')
    }
    await sleep(everyMs, undefined, { signal }).catch(() => undefined)
  }
}
