/** One identity in one project of one cloud: what every client of this room sends its requests through. */
import type { Log } from '../log/log.js'
import { readAs, readJson } from './answer.js'
import { findEndpoint } from './catalog.js'
import { isCloudError, type CallInfo } from './errors.js'
import { chooseMicroversion, versionsSchema, type MicroversionRange } from './microversion.js'
import type { CloudOptions, ServiceType } from './options.js'
import { createRedactor } from './redact.js'
import { errorOfAnswer } from './refusal.js'
import { createTokens, type Identity, type Token } from './token.js'
import { createTransport, type RawAnswer, type RawRequest } from './transport.js'

export interface CloudRequest {
  method: 'GET' | 'POST' | 'PUT' | 'DELETE'
  /** From the service's version on, and for block storage from the project on: `/volumes/<id>`. */
  path: string
  /** What is undefined is left out. */
  query?: Record<string, string | number | undefined>
  json?: unknown
  /** Without it the service's lowest, that is no header. */
  microversion?: MicroversionRange
}

export interface CloudAnswer {
  /** For errors about what the answer holds. */
  call: CallInfo
  status: number
  /** Parsed; null when there was none. */
  body: unknown
  /** The service's clock, milliseconds since the epoch, to the second; null when its answer does not tell. */
  date: number | null
}

export interface CloudSession {
  /** The project that everything made through this session belongs to. */
  projectId(): Promise<string>
  /** Whom Keystone takes us for. @throws CloudError */
  identity(): Promise<Identity>
  /** Where the service lies, up to and with its version, and the microversions it offers; empty texts: none. */
  offer(service: ServiceType): Promise<{ url: string; microversions: MicroversionRange }>
  /**
   * A GET is asked again, twice at most, when the service fails or nothing answers; nothing else ever is, but for the
   * one 401 after which it goes out with a new token (a service that refuses a token has done nothing).
   * @throws CloudError for every answer that is no success, and for none
   * @throws CodedError `CK-CLOUD-CONFIG` when the options do not lead to the service
   */
  request(service: ServiceType, request: CloudRequest): Promise<CloudAnswer>
  /** Ends its connections, so that the process can end. */
  close(): void
}

const names: Record<ServiceType, string> = {
  'block-storage': 'Cinder',
  compute: 'Nova',
  identity: 'Keystone',
  image: 'Glance',
}
/** The service's name in `OpenStack-API-Version`, which is older than its type. */
const microversionNames: Record<ServiceType, string> = {
  'block-storage': 'volume',
  compute: 'compute',
  identity: 'identity',
  // Glance knows none
  image: 'image',
}

/**
 * Opens nothing yet: the first request asks for a token.
 * @param deps.installation sent in User-Agent, so that the cloud's operators see who asks
 */
export function connectCloud(options: CloudOptions, deps: { log: Log; installation?: string }): CloudSession {
  const redactor = createRedactor([options.auth.method === 'password' ? options.auth.password : options.auth.secret])
  const { log, installation } = deps
  const transport = createTransport(options, { log, redactor, installation })
  const tokens = createTokens(options, { transport, redactor, log })
  /** By token: a cloud that was upgraded is noticed within the life of one. */
  const offers = new WeakMap<Token, Map<ServiceType, Promise<MicroversionRange>>>()

  /** With a new token and once more when the service refuses this one. */
  async function sendWithToken(make: (token: Token) => Promise<RawRequest>): Promise<RawAnswer> {
    const token = await tokens.current()
    try {
      return await sendWith(token, await make(token))
    } catch (error) {
      if (!isCloudError(error, 'CK-CLOUD-UNAUTHORIZED')) throw error
      tokens.refuse(token)
      log.debug({ request_id: error.requestId }, `${options.name}: token refused, asking for another`)
    }
    const another = await tokens.current()
    return await sendWith(another, await make(another))
  }

  /** @throws CloudError for every answer that is no success */
  async function sendWith(token: Token, request: RawRequest): Promise<RawAnswer> {
    const answer = await transport.send({ ...request, headers: { ...request.headers, 'x-auth-token': token.value } })
    if (answer.status < 200 || answer.status >= 300) throw errorOfAnswer(answer, redactor.redact)
    return answer
  }

  async function offered(token: Token, service: ServiceType): Promise<MicroversionRange> {
    const known = offers.get(token) ?? new Map<ServiceType, Promise<MicroversionRange>>()
    offers.set(token, known)
    const asked =
      known.get(service) ??
      askOffer(token, service).catch((error: unknown) => {
        known.delete(service)
        throw error
      })
    known.set(service, asked)
    return await asked
  }

  async function askOffer(token: Token, service: ServiceType): Promise<MicroversionRange> {
    const answer = await sendWith(token, {
      service: names[service],
      method: 'GET',
      url: `${findEndpoint(token.catalog, service, options)}/`,
      path: '/',
    })
    const list = readAs(versionsSchema, readJson(answer), answer.call)
    const ours = list.find((entry) => entry.id === 'v3.0' || entry.id === 'v2.1') ?? list[0]
    return { least: ours?.min_version ?? '', most: ours?.version ?? '' }
  }

  async function request(service: ServiceType, wanted: CloudRequest): Promise<CloudAnswer> {
    const answer = await sendWithToken(async (token) => {
      const project = service === 'block-storage' ? `/${token.projectId}` : ''
      const raw: RawRequest = {
        service: names[service],
        method: wanted.method,
        url: `${findEndpoint(token.catalog, service, options)}${project}${wanted.path}`,
        path: wanted.path,
        ...(wanted.json === undefined ? {} : { json: wanted.json }),
        ...(wanted.query === undefined ? {} : { query: queryOf(wanted.query) }),
      }
      if (wanted.microversion === undefined) return raw
      const call: CallInfo = { service: raw.service, method: raw.method, path: raw.path, requestId: 'none' }
      const version = chooseMicroversion(wanted.microversion, await offered(token, service), call)
      return { ...raw, headers: { 'openstack-api-version': `${microversionNames[service]} ${version}` } }
    })
    return { call: answer.call, status: answer.status, body: readJson(answer), date: dateOf(answer) }
  }

  return {
    projectId: async () => (await tokens.current()).projectId,
    identity: async () => (await tokens.current()).identity,
    offer: async (service) => {
      const token = await tokens.current()
      return { url: findEndpoint(token.catalog, service, options), microversions: await offered(token, service) }
    },
    request,
    close: () => {
      transport.close()
    },
  }
}

function dateOf({ headers }: RawAnswer): number | null {
  const time = Date.parse(headers.date ?? '')
  return Number.isNaN(time) ? null : time
}

function queryOf(query: NonNullable<CloudRequest['query']>): URLSearchParams {
  const result = new URLSearchParams()
  for (const [key, value] of Object.entries(query)) if (value !== undefined) result.set(key, String(value))
  return result
}
