import { randomUUID } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { ApiError } from './api-error.js'
import type { Caller, Cloud } from './cloud.js'
import { isForRequest } from './faults.js'
import type { Recorder } from './record.js'

/** A request as the files that answer see it. */
export interface ApiRequest {
  method: string
  /** Inside its service: `/volumes/<id>`. */
  path: string
  /** The service's own URL as the client sees it: `http://…/volume`. */
  base: string
  query: URLSearchParams
  params: Record<string, string>
  body: unknown
  headers: IncomingMessage['headers']
  caller: Caller
  /** Cinder's microversion: 64 for 3.64. */
  minor: number
}

export interface ApiAnswer {
  status: number
  body?: unknown
  /** Instead of a body: a page. */
  html?: string
  headers?: Record<string, string>
}

export type Handler = (request: ApiRequest) => ApiAnswer | Promise<ApiAnswer>

/** Method, path with `:parameters`, what answers, and the microversion (minor) from which it exists. */
export type Route = readonly [method: string, path: string, handler: Handler, since?: number]

/** One of the services under the sandbox's address. */
export interface Service {
  /** `identity`, `volume`, `compute`, … */
  mount: string
  answer(request: Omit<ApiRequest, 'params' | 'minor' | 'caller'> & { requestId: string }): Promise<ApiAnswer>
}

/** Finds the route for a request; its parameters are decoded. */
export function findRoute(
  routes: readonly Route[],
  method: string,
  path: string,
): { route: Route; params: Record<string, string> } | undefined {
  const given = path.replace(/\/$/, '').split('/')
  for (const route of routes) {
    if (route[0] !== method) continue
    const wanted = route[1].split('/')
    if (wanted.length !== given.length) continue
    const params: Record<string, string> = {}
    const fits = wanted.every((part, index) => {
      const value = given[index] ?? ''
      if (!part.startsWith(':')) return part === value
      params[part.slice(1)] = decodeURIComponent(value)
      return value !== ''
    })
    if (fits) return { route, params }
  }
  return undefined
}

/** Answers one HTTP request: faults first, then the service, then what faults do to the answer. */
export async function answerHttp(
  cloud: Cloud,
  services: readonly Service[],
  recorder: Recorder,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
): Promise<void> {
  const url = new URL(incoming.url ?? '/', cloud.url)
  const method = incoming.method ?? 'GET'
  const whole = url.pathname + url.search
  const body = await readJson(incoming)
  const entry = recorder.begin(method, whole, incoming.headers, body)
  const requestId = `req-${randomUUID()}`
  const finish = (answer: ApiAnswer): void => {
    recorder.end(entry, answer.status)
    write(outgoing, answer, requestId)
  }
  const before = cloud.faults.strike(['status', 'hang'], (fault) => isForRequest(fault, method, whole, body))
  if (before?.kind === 'hang') {
    outgoing.on('close', () => {
      recorder.end(entry, 0)
    })
    return
  }
  if (before?.kind === 'status') {
    finish({
      status: before.status,
      body: { error: { code: before.status, message: before.message ?? 'The sandbox was asked to answer so.' } },
      headers: before.retryAfter === undefined ? {} : { 'Retry-After': before.retryAfter },
    })
    return
  }
  const answer = await answerService(cloud, services, { method, url, body, headers: incoming.headers, requestId })
  const after = cloud.faults.strike(['slow', 'lost-answer'], (fault) => isForRequest(fault, method, whole, body))
  if (after?.kind === 'lost-answer') {
    recorder.end(entry, 0)
    outgoing.destroy()
    return
  }
  if (after?.kind === 'slow') await new Promise((resolve) => setTimeout(resolve, after.milliseconds))
  finish(answer)
}

async function answerService(
  cloud: Cloud,
  services: readonly Service[],
  request: { method: string; url: URL; body: unknown; headers: IncomingMessage['headers']; requestId: string },
): Promise<ApiAnswer> {
  const [, mount = ''] = request.url.pathname.split('/')
  const service = services.find((candidate) => candidate.mount === mount)
  if (service === undefined) {
    return {
      status: 404,
      body: { error: `no service /${mount}; there are ${services.map((s) => s.mount).join(', ')}` },
    }
  }
  return service.answer({
    method: request.method,
    path: request.url.pathname.slice(mount.length + 1) || '/',
    base: `${cloud.url}/${mount}`,
    query: request.url.searchParams,
    body: request.body,
    headers: request.headers,
    requestId: request.requestId,
  })
}

async function readJson(incoming: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = []
  for await (const chunk of incoming) chunks.push(chunk as Buffer)
  const text = Buffer.concat(chunks).toString()
  if (text === '') return undefined
  try {
    return JSON.parse(text) as unknown
  } catch {
    // Cinder says 'cannot understand JSON'; the services refuse this marker as a malformed body
    return malformed
  }
}

/** A body that was no JSON. */
export const malformed = Symbol('malformed body')

function write(outgoing: ServerResponse, answer: ApiAnswer, requestId: string): void {
  const text = answer.html ?? (answer.body === undefined ? '' : JSON.stringify(answer.body))
  outgoing.writeHead(answer.status, {
    ...(text === ''
      ? {}
      : { 'Content-Type': answer.html === undefined ? 'application/json' : 'text/html; charset=UTF-8' }),
    'Content-Length': Buffer.byteLength(text),
    'x-openstack-request-id': requestId,
    ...answer.headers,
  })
  outgoing.end(text)
}

/** Turns a thrown `ApiError` into an answer in its service's shape; anything else is a 500, and logged. */
export async function guarded(
  cloud: Cloud,
  shape: (error: ApiError) => unknown,
  act: () => ApiAnswer | Promise<ApiAnswer>,
): Promise<ApiAnswer> {
  try {
    return await act()
  } catch (error) {
    if (error instanceof ApiError) return { status: error.status, body: shape(error), headers: error.headers }
    cloud.log.error({ err: error }, 'the sandbox itself failed')
    const fault = new ApiError(
      500,
      'The server has either erred or is incapable of performing the requested operation.',
    )
    return { status: 500, body: shape(fault) }
  }
}
