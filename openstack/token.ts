/** Keystone's tokens: asked for when needed, renewed before they end, one request at a time. */
import { z } from 'zod'
import type { Log } from '../log/log.js'
import { readAs, readJson } from './answer.js'
import { catalogSchema, versionedBase, type Catalog } from './catalog.js'
import { CloudError, cloudConfigError } from './errors.js'
import { maybe } from './fields.js'
import type { CloudOptions, NameOrId } from './options.js'
import type { Redactor } from './redact.js'
import { errorOfAnswer } from './refusal.js'
import type { RawAnswer, Transport } from './transport.js'

/** Whom Keystone takes us for. */
export interface Identity {
  userName: string
  projectId: string
  projectName: string
  /** Names of the roles in the project. */
  roles: string[]
  /** An application credential that may make others like itself; null for a password. */
  unrestrictedCredential: boolean | null
  /** Keystone's clock when it answered, milliseconds since the epoch; null when it does not tell. */
  issuedAt: number | null
}

export interface Token {
  value: string
  projectId: string
  identity: Identity
  catalog: Catalog
  /** On the clock of `performance.now()`. */
  renewAt: number
}

export interface Tokens {
  /** A token that is good for two minutes at least, unless Keystone gives shorter ones. */
  current(): Promise<Token>
  /** A service has refused this one; the next `current()` asks for another. */
  refuse(token: Token): void
}

/** A call that starts now must not outlive its token, nor a service's own calls made with it. */
const marginSeconds = 120

export function createTokens(
  options: CloudOptions,
  deps: { transport: Transport; redactor: Redactor; log: Log },
): Tokens {
  let kept: Token | undefined
  let asking: Promise<Token> | undefined
  return {
    async current() {
      if (kept !== undefined && performance.now() < kept.renewAt) return kept
      asking ??= ask(options, deps).finally(() => {
        asking = undefined
      })
      kept = await asking
      return kept
    },
    refuse(token) {
      // another request may have replaced it already
      if (kept === token) kept = undefined
    },
  }
}

const tokenSchema = z.object({
  token: z.object({
    expires_at: z.string(),
    issued_at: z.string().nullish(),
    user: z.object({ name: maybe }).nullish(),
    project: z.object({ id: z.string().min(1), name: maybe }).nullish(),
    roles: z.array(z.object({ name: maybe })).nullish(),
    application_credential: z.object({ restricted: z.boolean().nullish() }).nullish(),
    catalog: catalogSchema.nullish(),
  }),
})

async function ask(
  options: CloudOptions,
  { transport, redactor, log }: { transport: Transport; redactor: Redactor; log: Log },
): Promise<Token> {
  const answer = await transport.send({
    service: 'Keystone',
    method: 'POST',
    url: `${versionedBase(options.authUrl, 'identity')}/auth/tokens`,
    path: '/auth/tokens',
    json: { auth: body(options) },
    // a token that nobody receives just ends
    repeatable: true,
  })
  if (answer.status !== 201 && answer.status !== 200) throw refusal(answer, options, redactor)
  const value = answer.headers['x-subject-token']
  if (typeof value !== 'string' || value === '') {
    throw new CloudError('CK-CLOUD-ANSWER-INVALID', 'no X-Subject-Token in the answer', answer.call)
  }
  redactor.addToken(value)
  const { token } = readAs(tokenSchema, readJson(answer), answer.call)
  if (!token.project) {
    throw cloudConfigError(
      `${options.name}: the identity is not bound to a project; expected project_name or project_id`,
    )
  }
  const lifetime = secondsOfLife(token.expires_at, token.issued_at ?? undefined)
  if (Number.isNaN(lifetime)) {
    throw new CloudError('CK-CLOUD-ANSWER-INVALID', 'token.expires_at: expected a time', answer.call)
  }
  log.debug({ project: token.project.id, seconds: Math.round(lifetime) }, `${options.name}: authenticated`)
  return {
    value,
    projectId: token.project.id,
    identity: {
      userName: token.user?.name ?? '',
      projectId: token.project.id,
      projectName: token.project.name ?? token.project.id,
      roles: (token.roles ?? []).flatMap(({ name }) => (name === null ? [] : [name])),
      unrestrictedCredential: token.application_credential ? token.application_credential.restricted === false : null,
      issuedAt: token.issued_at ? Date.parse(token.issued_at) : null,
    },
    catalog: token.catalog ?? [],
    renewAt: performance.now() + (lifetime - marginSeconds) * 1000,
  }
}

function refusal(answer: RawAnswer, options: CloudOptions, redactor: Redactor): Error {
  const error = errorOfAnswer(answer, redactor.redact)
  if (error.status !== 404) return error
  // so Keystone answers to the id of an application credential that is deleted or never was (seen on Zed)
  if (options.auth.method === 'application_credential' && error.said?.includes('Application Credential') === true) {
    return new CloudError('CK-CLOUD-UNAUTHORIZED', 'not accepted', { ...answer.call, status: 404, said: error.said })
  }
  return cloudConfigError(`${options.name}: auth_url: no Keystone v3 answers at ${options.authUrl} (404)`)
}

/** Both times are Keystone's own, so that our clock may be wrong. */
function secondsOfLife(expiresAt: string, issuedAt: string | undefined): number {
  const issued = issuedAt === undefined ? NaN : Date.parse(issuedAt)
  return (Date.parse(expiresAt) - (Number.isNaN(issued) ? Date.now() : issued)) / 1000
}

function body({ auth }: CloudOptions) {
  if (auth.method === 'application_credential') {
    const credential =
      'id' in auth.credential ? auth.credential : { ...auth.credential, user: who(auth.credential.user) }
    return { identity: { methods: [auth.method], [auth.method]: { ...credential, secret: auth.secret } } }
  }
  const scope =
    'trustId' in auth.scope ? { 'OS-TRUST:trust': { id: auth.scope.trustId } } : { project: who(auth.scope.project) }
  return {
    identity: { methods: ['password'], password: { user: { ...who(auth.user), password: auth.password } } },
    scope,
  }
}

function who(named: NameOrId) {
  if ('id' in named) return { id: named.id }
  return { name: named.name, domain: named.domain ?? { id: 'default' } }
}
