import { randomUUID } from 'node:crypto'
import { z } from 'zod'
import { ApiError, forbidden, keystoneFault } from './api-error.js'
import type { Caller, Cloud } from './cloud.js'
import { findRoute, guarded } from './http.js'
import type { ApiAnswer, Handler, Route, Service } from './http.js'
import { catalogue } from './catalogue.js'
import { keystoneLists } from './keystone-lists.js'
import type { Token, User } from './state.js'

const domain = z.object({ id: z.string().optional(), name: z.string().optional() }).optional()
const authRequest = z.object({
  auth: z.object({
    identity: z.object({
      methods: z.array(z.string()),
      password: z
        .object({
          user: z.object({ id: z.string().optional(), name: z.string().optional(), domain, password: z.string() }),
        })
        .optional(),
      token: z.object({ id: z.string() }).optional(),
      application_credential: z
        .object({
          id: z.string().optional(),
          name: z.string().optional(),
          secret: z.string(),
          user: z.object({ id: z.string().optional(), name: z.string().optional(), domain }).optional(),
        })
        .optional(),
    }),
    scope: z
      .union([
        z.literal('unscoped'),
        z.object({ project: z.object({ id: z.string().optional(), name: z.string().optional(), domain }) }),
        z.looseObject({}),
      ])
      .optional(),
  }),
})

const refused = (): ApiError => new ApiError(401, 'The request you have made requires authentication.')

/** Keystone's `/v3`, mounted at `/identity`. */
export function keystone(cloud: Cloud): Service {
  const routes: readonly Route[] = [...tokenRoutes(cloud), ...keystoneLists(cloud)]
  return {
    mount: 'identity',
    answer: (request) =>
      guarded(cloud, keystoneFault, () => {
        const trimmed = request.path.replace(/\/$/, '')
        if (trimmed === '') return { status: 300, body: { versions: { values: [versionOf(request.base)] } } }
        if (trimmed === '/v3') return { status: 200, body: { version: versionOf(request.base) } }
        const path = trimmed.replace(/^\/v3/, '')
        const found = findRoute(routes, request.method, path)
        if (found === undefined) {
          throw new ApiError(404, `The requested URL was not found: ${request.method} ${request.path}`)
        }
        const isLogin = path === '/auth/tokens' && request.method === 'POST'
        const caller = isLogin ? nobody(request.requestId) : identify(cloud, request.headers, request.requestId)
        return found.route[2]({ ...request, params: found.params, caller, minor: 0 })
      }),
  }
}

const versionOf = (base: string): unknown => ({
  id: 'v3.14',
  status: 'stable',
  updated: '2020-04-07T00:00:00Z',
  links: [{ rel: 'self', href: `${base}/v3/` }],
  'media-types': [{ base: 'application/json', type: 'application/vnd.openstack.identity-v3+json' }],
})

const nobody = (requestId: string): Caller => ({
  userId: '',
  userName: '',
  projectId: '',
  projectName: '',
  roles: [],
  isAdmin: false,
  requestId,
  globalRequestId: null,
})

/** Who the token in `X-Auth-Token` stands for. @throws 401 */
export function identify(cloud: Cloud, headers: Record<string, unknown>, requestId: string): Caller {
  const token = validToken(cloud, headers['x-auth-token'])
  if (token === undefined) throw refused()
  const user = cloud.state.users.get(token.userId)
  if (user === undefined) throw refused()
  const project = token.projectId === null ? undefined : cloud.state.projects.get(token.projectId)
  const roles = project === undefined ? [] : (user.roles.get(project.id) ?? [])
  const global = headers['x-openstack-request-id']
  return {
    userId: user.id,
    userName: user.name,
    projectId: project?.id ?? '',
    projectName: project?.name ?? '',
    roles,
    isAdmin: roles.includes('admin'),
    requestId,
    // only what looks like one is taken over (oslo_middleware/request_id.py)
    globalRequestId: typeof global === 'string' && /^req-[0-9a-f-]{36}$/.test(global) ? global : null,
  }
}

/** Whether the request's token is one of ours and still lives. */
export const isKnown = (cloud: Cloud, headers: Record<string, unknown>): boolean =>
  validToken(cloud, headers['x-auth-token']) !== undefined

function validToken(cloud: Cloud, id: unknown): Token | undefined {
  if (typeof id !== 'string') return undefined
  const token = cloud.state.tokens.get(id)
  return token !== undefined && token.expiresAt > Date.now() ? token : undefined
}

function tokenRoutes(cloud: Cloud): readonly Route[] {
  const login: Handler = (request) => {
    const parsed = authRequest.safeParse(request.body)
    if (!parsed.success) throw new ApiError(400, "Invalid input for field 'auth': it is not what Keystone expects.")
    const token = authenticate(cloud, parsed.data.auth)
    cloud.state.tokens.set(token.id, token)
    return shown(cloud, token, 201, !request.query.has('nocatalog'))
  }
  const subject: Handler = (request) => {
    const token = validToken(cloud, request.headers['x-subject-token'])
    if (token === undefined) throw new ApiError(404, 'Could not find token.')
    return shown(cloud, token, 200, !request.query.has('nocatalog'))
  }
  const revoke: Handler = (request) => {
    cloud.state.tokens.delete(String(request.headers['x-subject-token']))
    return { status: 204 }
  }
  const createCredential: Handler = (request) => {
    if (request.params['user'] !== request.caller.userId) throw forbidden('identity:create_application_credential')
    const body = z
      .object({ application_credential: z.object({ name: z.string(), secret: z.string().optional() }) })
      .parse(request.body)
    const made = {
      id: randomUUID().replaceAll('-', ''),
      name: body.application_credential.name,
      secret: body.application_credential.secret ?? randomUUID(),
      userId: request.caller.userId,
      projectId: request.caller.projectId,
    }
    cloud.state.applicationCredentials.set(made.id, made)
    return {
      status: 201,
      body: {
        application_credential: { id: made.id, name: made.name, secret: made.secret, project_id: made.projectId },
      },
    }
  }
  return [
    ['POST', '/auth/tokens', login],
    ['GET', '/auth/tokens', subject],
    ['HEAD', '/auth/tokens', subject],
    ['DELETE', '/auth/tokens', revoke],
    ['POST', '/users/:user/application_credentials', createCredential],
  ]
}

type AuthRequest = z.infer<typeof authRequest>['auth']

function authenticate(cloud: Cloud, auth: AuthRequest): Token {
  const { identity, scope } = auth
  const method = identity.methods[0] ?? ''
  if (method === 'application_credential') {
    const asked = identity.application_credential
    const credential = [...cloud.state.applicationCredentials.values()].find(
      (candidate) => candidate.id === asked?.id || (asked?.id === undefined && candidate.name === asked?.name),
    )
    if (credential === undefined || asked === undefined || credential.secret !== asked.secret) throw refused()
    return newToken(cloud, credential.userId, credential.projectId, ['application_credential'])
  }
  const user = method === 'token' ? userOfToken(cloud, identity.token?.id) : userWithPassword(cloud, identity.password)
  if (scope === undefined || scope === 'unscoped') return newToken(cloud, user.id, null, identity.methods)
  const wanted = 'project' in scope ? (scope.project as { id?: string; name?: string }) : undefined
  const project = [...cloud.state.projects.values()].find(
    (candidate) => candidate.id === wanted?.id || candidate.name === wanted?.name,
  )
  if (project === undefined || (user.roles.get(project.id) ?? []).length === 0) throw refused()
  return newToken(cloud, user.id, project.id, identity.methods)
}

function userOfToken(cloud: Cloud, id: string | undefined): User {
  const user = cloud.state.users.get(validToken(cloud, id)?.userId ?? '')
  if (user === undefined) throw refused()
  return user
}

function userWithPassword(cloud: Cloud, password: AuthRequest['identity']['password']): User {
  const asked = password?.user
  const user = [...cloud.state.users.values()].find(
    (candidate) => candidate.id === asked?.id || candidate.name === asked?.name,
  )
  if (user === undefined || asked === undefined || user.password !== asked.password) throw refused()
  return user
}

function newToken(cloud: Cloud, userId: string, projectId: string | null, methods: string[]): Token {
  const issuedAt = Date.now()
  const id = `gAAAAA${randomUUID().replaceAll('-', '')}`
  return { id, userId, projectId, issuedAt, expiresAt: issuedAt + cloud.tokenSeconds * 1000, methods }
}

function shown(cloud: Cloud, token: Token, status: number, withCatalogue: boolean): ApiAnswer {
  const user = cloud.state.users.get(token.userId)
  const project = token.projectId === null ? undefined : cloud.state.projects.get(token.projectId)
  const roles = project === undefined ? [] : (user?.roles.get(project.id) ?? [])
  const time = (at: number): string => new Date(at).toISOString().replace(/\.\d+Z$/, '.000000Z')
  return {
    status,
    headers: { 'X-Subject-Token': token.id, Vary: 'X-Auth-Token' },
    body: {
      token: {
        methods: token.methods,
        user: {
          domain: { id: 'default', name: 'Default' },
          id: token.userId,
          name: user?.name,
          password_expires_at: null,
        },
        audit_ids: [token.id.slice(-22)],
        expires_at: time(token.expiresAt),
        issued_at: time(token.issuedAt),
        ...(project === undefined
          ? {}
          : {
              project: { domain: { id: 'default', name: 'Default' }, id: project.id, name: project.name },
              is_domain: false,
              roles: roles.map((name) => ({ id: `role-${name}`, name })),
              ...(withCatalogue ? { catalog: catalogue(cloud, project.id) } : {}),
            }),
      },
    },
  }
}
