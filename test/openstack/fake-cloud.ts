import { inspect } from 'node:util'
import { onTestFinished } from 'vitest'
import type { ServerResponse } from 'node:http'
import type { Log, LogFields } from '../../log/log.js'
import type { CloudOptions } from '../../openstack/options.js'
import { connectCloud, type CloudSession } from '../../openstack/session.js'
import { type HttpServer, type Received, sendJson, startHttp } from '../helpers/with-http.js'

export const password = 'correct horse "battery" <staple>'
export const projectId = '85200f0701754b59aa82e9c1ea1d1255'

export interface FakeCloud {
  server: HttpServer
  options: CloudOptions
  /** Tokens given out so far, oldest first. */
  tokens: string[]
  /** Tokens that the services no longer take. */
  refused: Set<string>
  /** How long the next tokens live; one hour at first. */
  tokenSeconds: number
  /** What `GET /v3/` says. */
  microversions: { min_version: string; version: string }
  /** The token's catalogue; without it one endpoint a service, in one region. */
  catalog: unknown
  /** Replaces Keystone's answer to a request for a token. */
  onToken: ((received: Received, response: ServerResponse) => void) | undefined
  /** Requests to the block storage service, without discovery and authentication. */
  calls: Received[]
  log: Log
  connect(change?: Partial<CloudOptions>): CloudSession
  /** The error of something that must fail. */
  failure(act: Promise<unknown>): Promise<Error & { code: string; cure?: string }>
}

/** Answers requests to Cinder, Nova and Keystone's projects; the path lacks version and project. */
export type Service = (received: Received, response: ServerResponse, count: number) => void | Promise<void>

/**
 * A Keystone and whatever `service` is, on one port. Ends with the test, which then fails if any log line or any error
 * that went through `failure` holds the password or a token.
 */
export async function fakeCloud(service: Service, tls?: { key: string; cert: string }): Promise<FakeCloud> {
  const written: string[] = []
  const sessions: CloudSession[] = []
  const log = collectingLog(written)
  const server = await startHttp((received, response) => answer(received, response), tls)
  const cloud: FakeCloud = {
    server,
    options: {
      name: 'cloud test',
      authUrl: `${server.url}/identity/v3`,
      auth: { method: 'password', user: { name: 'admin' }, password, scope: { project: { name: 'admin' } } },
      interface: 'public',
      verify: true,
      endpointOverrides: {},
      timeoutSeconds: 5,
    },
    tokens: [],
    refused: new Set(),
    tokenSeconds: 3600,
    microversions: { min_version: '3.0', version: '3.70' },
    catalog: [
      { type: 'identity', endpoints: [endpoint(`${server.url}/identity`)] },
      { type: 'volumev3', endpoints: [endpoint(`${server.url}/volume/v3/${projectId}`)] },
      { type: 'compute', endpoints: [endpoint(`${server.url}/compute/v2.1`)] },
    ],
    onToken: undefined,
    calls: [],
    log,
    connect(change = {}) {
      const session = connectCloud({ ...cloud.options, ...change }, { log, installation: 'inst-1' })
      sessions.push(session)
      return session
    },
    async failure(act) {
      try {
        await act
      } catch (error) {
        written.push(inspect(error, { depth: 8, showHidden: true }), String((error as { cure?: string }).cure))
        return error as Error & { code: string }
      }
      throw new Error('nothing failed')
    },
  }

  function answer(received: Received, response: ServerResponse): void | Promise<void> {
    const { path } = received
    if (path === '/identity/v3/auth/tokens') {
      giveToken(received, response)
      return
    }
    const token = String(received.headers['x-auth-token'])
    if (!cloud.tokens.includes(token) || cloud.refused.has(token)) {
      // proxies and frameworks echo what they were sent
      sendJson(response, 401, { error: { code: 401, message: `token ${token} is not valid` } })
      return
    }
    if (path === '/volume/v3/') {
      sendJson(response, 200, { versions: [{ id: 'v3.0', status: 'CURRENT', ...cloud.microversions }] })
      return
    }
    cloud.calls.push(received)
    const short = path.replace(`/volume/v3/${projectId}`, '').replace(/^\/(compute\/v2\.1|identity\/v3)/, '')
    return service({ ...received, path: short }, response, cloud.calls.length)
  }

  function giveToken(received: Received, response: ServerResponse): void {
    if (cloud.onToken !== undefined) {
      cloud.onToken(received, response)
      return
    }
    const token = `gAAAA-token-${cloud.tokens.length + 1}-${Math.random().toString(36).slice(2)}`
    cloud.tokens.push(token)
    // a clock that is hours off must not matter
    const issued = Date.now() - 10 * 3600_000
    const body = {
      token: {
        issued_at: new Date(issued).toISOString(),
        expires_at: new Date(issued + cloud.tokenSeconds * 1000).toISOString(),
        project: { id: projectId, name: 'admin' },
        catalog: cloud.catalog,
      },
    }
    sendJson(response, 201, body, { 'x-subject-token': token })
  }

  onTestFinished(async () => {
    for (const session of sessions) session.close()
    await server.close()
    const leaks = [password, ...cloud.tokens].flatMap((secret) =>
      written.filter((line) => line.includes(secret) || line.includes(JSON.stringify(secret).slice(1, -1))),
    )
    if (leaks.length > 0) throw new Error(`a secret reached the log or an error: ${leaks[0] ?? ''}`)
  })
  return cloud
}

export function endpoint(url: string, region = 'RegionOne', iface = 'public') {
  return { url, interface: iface, region_id: region, region }
}

function collectingLog(lines: string[]): Log {
  const write = (fields: LogFields, message: string) => lines.push(inspect({ ...fields, message }, { depth: 8 }))
  return { debug: write, info: write, warn: write, error: write, child: () => collectingLog(lines) }
}
