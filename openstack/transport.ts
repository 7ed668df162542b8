/** One HTTP request to the cloud: timeouts, certificates, connections, and repeats where they are safe. */
import { randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import http from 'node:http'
import https from 'node:https'
import { got, RequestError, type HttpsOptions } from 'got'
import type { Log } from '../log/log.js'
import { cloudConfigError, type CallInfo } from './errors.js'
import type { CloudOptions } from './options.js'
import type { Redactor } from './redact.js'
import { errorOfTrouble } from './trouble.js'

export interface RawRequest {
  service: string
  method: 'GET' | 'POST' | 'PUT' | 'DELETE'
  url: string
  /** What messages and the log show; no host, no query. */
  path: string
  headers?: Record<string, string>
  query?: URLSearchParams
  json?: unknown
  /** A POST that changes nothing but itself (asking for a token) may be repeated like a GET. */
  repeatable?: boolean
}

export interface RawAnswer {
  call: CallInfo
  status: number
  headers: http.IncomingHttpHeaders
  text: string
}

export interface Transport {
  /** Any HTTP status is an answer. @throws CloudError when there is none */
  send(request: RawRequest): Promise<RawAnswer>
  /** Ends all connections, those in use too. */
  close(): void
}

const repeats = 2
/** Errors after which a GET is asked again; certificates do not mend themselves. */
const passingErrors = ['ETIMEDOUT', 'ECONNRESET', 'EPIPE', 'ECONNREFUSED', 'ENETUNREACH', 'EHOSTUNREACH', 'EAI_AGAIN']

export function createTransport(
  options: CloudOptions,
  deps: { log: Log; redactor: Redactor; installation?: string | undefined },
): Transport {
  // 32: hundreds of archives poll at once, and the API's workers are few
  const kept = { http: new http.Agent(keepAlive), https: new https.Agent(keepAlive) }
  // What changes something gets a connection of its own: on a kept one the server's closing for idleness looks like a
  // lost answer, and every such doubt costs a search.
  const fresh = { http: new http.Agent(single), https: new https.Agent(single) }
  const timeout = (options.timeoutSeconds ?? 60) * 1000
  const userAgent = deps.installation === undefined ? 'cinderkeep' : `cinderkeep (installation ${deps.installation})`
  let certificates: Promise<HttpsOptions> | undefined

  /** Once; but a file that could not be read is looked at again, for somebody may have mended it. */
  async function readCertificates(): Promise<HttpsOptions> {
    certificates ??= readHttpsOptions(options).catch((error: unknown) => {
      certificates = undefined
      throw error
    })
    return await certificates
  }

  async function send(request: RawRequest): Promise<RawAnswer> {
    const sentId = `req-${randomUUID()}`
    const call: CallInfo = {
      service: request.service,
      method: request.method,
      path: request.path,
      requestId: sentId,
    }
    const repeatable = request.method === 'GET' || request.repeatable === true
    const started = performance.now()
    const ms = () => Math.round(performance.now() - started)
    const tls = await readCertificates()
    try {
      const response = await got(request.url, {
        method: request.method,
        headers: {
          accept: 'application/json',
          'user-agent': userAgent,
          'x-openstack-request-id': sentId,
          ...request.headers,
        },
        ...(request.query === undefined ? {} : { searchParams: request.query }),
        ...(request.json === undefined ? {} : { json: request.json }),
        throwHttpErrors: false,
        // the token would go wherever a redirect points
        followRedirect: false,
        agent: repeatable ? kept : fresh,
        https: tls,
        timeout: {
          lookup: Math.min(timeout, 10_000),
          connect: Math.min(timeout, 10_000),
          secureConnect: Math.min(timeout, 10_000),
          request: timeout,
        },
        retry: {
          limit: repeatable ? repeats : 0,
          methods: ['GET', 'POST'],
          // never 413 and 429: how long to stay away is the caller's business
          statusCodes: [500, 502, 503, 504],
          errorCodes: passingErrors,
          maxRetryAfter: 5_000,
          backoffLimit: 4_000,
        },
        hooks: {
          beforeRetry: [
            (error, count) => {
              deps.log.debug(
                { ...fields(call), status: error.response?.statusCode, ms: ms(), try: count, reason: error.code },
                `${request.service} ${request.method} ${request.path} is asked again`,
              )
            },
          ],
        },
      })
      const requestId = idOfAnswer(response.headers) ?? sentId
      deps.log.debug(
        { ...fields(call), answer_id: requestId, status: response.statusCode, ms: ms() },
        `${request.service} ${request.method} ${request.path}`,
      )
      return {
        call: { ...call, requestId },
        status: response.statusCode,
        headers: response.headers,
        text: response.body,
      }
    } catch (error) {
      if (!(error instanceof RequestError)) throw error
      const failure = errorOfTrouble(error, call, repeatable, deps.redactor.redact)
      deps.log.debug(
        { ...fields(call), ms: ms(), code: failure.code, reason: error.code },
        `${request.service} ${request.method} ${request.path} failed`,
      )
      throw failure
    }
  }

  return {
    send,
    close() {
      for (const agent of [kept.http, kept.https, fresh.http, fresh.https]) agent.destroy()
    },
  }
}

const keepAlive = { keepAlive: true, maxSockets: 32, maxFreeSockets: 8 }
const single = { keepAlive: false, maxSockets: 32 }

function fields(call: CallInfo) {
  return { request_id: call.requestId, service: call.service, method: call.method, path: call.path }
}

/** Cinder and Keystone, then Nova's older name. */
function idOfAnswer(headers: http.IncomingHttpHeaders): string | undefined {
  const id = headers['x-openstack-request-id'] ?? headers['x-compute-request-id']
  return typeof id === 'string' && /^[\w-]{1,64}$/.test(id) ? id : undefined
}

async function readHttpsOptions(options: CloudOptions): Promise<HttpsOptions> {
  return {
    rejectUnauthorized: options.verify,
    ...(options.cacert === undefined ? {} : { certificateAuthority: await pem(options.cacert, options, 'cacert') }),
    ...(options.cert === undefined ? {} : { certificate: await pem(options.cert, options, 'cert') }),
    ...(options.key === undefined ? {} : { key: await pem(options.key, options, 'key') }),
  }
}

async function pem(file: string, options: CloudOptions, key: string): Promise<string> {
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (error) {
    throw cloudConfigError(`${options.name}: ${key}: cannot read ${file}: ${(error as Error).message}`)
  }
  if (!text.includes('-----BEGIN ')) throw cloudConfigError(`${options.name}: ${key}: ${file} is no PEM file`)
  return text
}
