import type { Client } from '@temporalio/client'
import type { Log } from '../log/log.js'
import { parseBrokerUrl } from './broker-address.js'
import { readSecrets } from './broker-secrets.js'
import { requireUrl } from './connect.js'
import { createDeliver } from './deliver.js'
import { listen, type Listener } from './listen.js'
import type { ListenOptions } from './options.js'

/**
 * Turns the cloud's notifications into signals for the workflows of its volumes, until stopped.
 * @param request.events the events that some policy is `on`
 * @returns as soon as it has begun to try; a broker or Temporal that is away is waited for
 * @throws CodedError `CK-RABBIT-URL`, `CK-RABBIT-FILE` for what no waiting cures
 */
export async function runListener(request: {
  options: ListenOptions
  client: Client
  events: ReadonlySet<string>
  log: Log
}): Promise<Listener> {
  const { options, client, events, log } = request
  parseBrokerUrl(requireUrl(options))
  await readSecrets(options)
  return listen({ options, deliver: createDeliver(client), events, log })
}
