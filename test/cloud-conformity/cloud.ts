import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'

/** A cloud that the checks run against: the sandbox, or the lab. */
export interface ConformityCloud {
  /** `OS_*` of an admin in the project `admin`, and of a member of another project, whose quota is taken away for a moment. */
  admin: Record<string, string>
  member: Record<string, string>
  amqpUrl: string
  /** Cinder's control exchange. */
  exchange: string
}

export interface Answer {
  status: number
  headers: Headers
  /** As it came. */
  body: unknown
}

/** One identity's requests to Cinder, by hand: no client of ours is in between. */
export interface Client {
  /** The volume endpoint, with the project. */
  endpoint: string
  /** Cinder's own root. */
  root: string
  projectId: string
  /** @param version a microversion, or null for a request without one */
  call(method: string, path: string, body?: unknown, version?: string | null): Promise<Answer>
}

const tokenBody = z.object({
  token: z.object({
    project: z.object({ id: z.string() }),
    catalog: z.array(
      z.object({ type: z.string(), endpoints: z.array(z.object({ interface: z.string(), url: z.string() })) }),
    ),
  }),
})

/** Asks Keystone for a token; `password` overrides the one in the environment. */
export async function askForToken(env: Record<string, string>, password = env['OS_PASSWORD']): Promise<Answer> {
  const domain = { id: 'default' }
  return request(
    'POST',
    `${env['OS_AUTH_URL'] ?? ''}/auth/tokens`,
    {},
    {
      auth: {
        identity: { methods: ['password'], password: { user: { name: env['OS_USERNAME'], domain, password } } },
        scope: { project: { name: env['OS_PROJECT_NAME'], domain } },
      },
    },
  )
}

export async function connectClient(env: Record<string, string>): Promise<Client> {
  const answer = await askForToken(env)
  const token = answer.headers.get('x-subject-token')
  const { project, catalog } = tokenBody.parse(answer.body).token
  const service = catalog.find(({ type }) => ['volumev3', 'block-storage', 'volume'].includes(type))
  const endpoint = service?.endpoints.find((candidate) => candidate.interface === 'public')?.url
  if (token === null || endpoint === undefined) throw new Error('Keystone gave no token, or no volume endpoint')
  return {
    endpoint,
    root: endpoint.replace(/\/v3\/.*$/, ''),
    projectId: project.id,
    call: (method, path, body, version = '3.64') =>
      request(
        method,
        path.startsWith('http') ? path : endpoint + path,
        { 'X-Auth-Token': token, ...(version === null ? {} : { 'OpenStack-API-Version': `volume ${version}` }) },
        body,
      ),
  }
}

/** A request without a token. */
export async function request(
  method: string,
  url: string,
  headers: Record<string, string> = {},
  body?: unknown,
): Promise<Answer> {
  const answer = await fetch(url, {
    method,
    headers: { 'Content-Type': 'application/json', ...headers },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  const text = await answer.text()
  const isJson = answer.headers.get('content-type')?.startsWith('application/json') === true
  return { status: answer.status, headers: answer.headers, body: isJson && text !== '' ? JSON.parse(text) : text }
}

const statusBody = z.record(z.string(), z.looseObject({ status: z.string() }))

/** Polls an object until its status is none of `passing`; `gone` after a 404. */
export async function settles(client: Client, path: string, ...passing: string[]): Promise<string> {
  for (;;) {
    const answer = await client.call('GET', path)
    if (answer.status === 404) return 'gone'
    const status = Object.values(statusBody.parse(answer.body))[0]?.status ?? ''
    if (!passing.includes(status)) return status
    await sleep(100)
  }
}

const created = z.record(z.string(), z.looseObject({ id: z.string() }))

/** The id in the answer to a create. @throws Error when it was refused */
export function idOf(answer: Answer): string {
  const parsed = created.safeParse(answer.body)
  const id = parsed.success ? Object.values(parsed.data)[0]?.id : undefined
  if (id === undefined) throw new Error(`no object was created: ${answer.status} ${JSON.stringify(answer.body)}`)
  return id
}

/** A name that only this run uses. */
export const uniqueName = (what: string): string => `conformity-${what}-${randomUUID()}`

/** Makes a volume and waits until it is there. */
export async function makeVolume(client: Client, fields: Record<string, unknown> = {}): Promise<string> {
  const id = idOf(await client.call('POST', '/volumes', { volume: { size: 1, name: uniqueName('volume'), ...fields } }))
  await settles(client, `/volumes/${id}`, 'creating')
  return id
}

/** Deletes objects in this order, each gone before the next. */
export async function removeAll(client: Client, paths: readonly string[]): Promise<void> {
  for (const path of paths) {
    await client.call('DELETE', path)
    const left = await settles(client, path, 'deleting')
    if (left !== 'gone') throw new Error(`${path} could not be removed: it is ${left}`)
  }
}

const patterns: readonly (readonly [RegExp, string])[] = [
  [/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g, '<uuid>'],
  [/\b[0-9a-f]{32}\b/g, '<hex>'],
  [/\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d\.\d+/g, '<time>'],
  [/http:\/\/127\.0\.0\.1:\d+(\/volume)?\//g, '<root>/'],
  [/(lab|sandbox)@(ceph|files)#(ceph|pool)/g, '<pool>'],
  [/(lab|sandbox)@(ceph|files)/g, '<backend>'],
  [/^(lab|sandbox)$/g, '<host>'],
  [/^(ceph|files)$/g, '<type>'],
]

/** What was answered, without what differs from run to run and from cloud to cloud. */
export function plain(value: unknown): unknown {
  if (typeof value === 'string') return patterns.reduce((text, [find, word]) => text.replace(find, word), value)
  if (Array.isArray(value)) return value.map(plain)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, plain(inner)]))
}

/** Status and body, plain: what most checks compare. */
export const seen = (answer: Answer): { status: number; body: unknown } => ({
  status: answer.status,
  body: plain(answer.body),
})
export const badRequest = (message: string): unknown => ({ status: 400, body: { badRequest: { code: 400, message } } })
export const itemNotFound = (message: string): unknown => ({
  status: 404,
  body: { itemNotFound: { code: 404, message } },
})
export const overLimit = (message: string): unknown => ({
  status: 413,
  body: { overLimit: { code: 413, message, retryAfter: '0' } },
})
