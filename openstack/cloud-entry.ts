/** One cloud's settings, from clouds.yaml or from OS_* variables, as options. */
import { resolve } from 'node:path'
import { expandHome, isMapping } from './clouds-files.js'
import { cloudConfigError } from './errors.js'
import type { ApplicationCredentialAuth, CloudInterface, CloudOptions, NameOrId, PasswordAuth } from './options.js'
import { serviceAliases, type ServiceType } from './options.js'

/** Settings by the keys of clouds.yaml; what stands under `auth` and what stands beside it are one. */
export interface Entry {
  /** How messages name the whole: `clouds.yaml entry lab`, `OS_*`. */
  name: string
  /** How messages name one key: `/etc/openstack/clouds.yaml: clouds.lab.auth.password`, `OS_PASSWORD`. */
  place: (key: string) => string
  values: Readonly<Record<string, unknown>>
}

/** @throws CodedError `CK-CLOUD-CONFIG` with the place of the first fault and what was expected there */
export function resolveEntry(entry: Entry, where: { cwd: string; home: string }): CloudOptions {
  refuse(entry, 'profile', "vendors' profiles are not read; write auth_url, region_name and so on in their place")
  refuse(entry, 'cloud', 'an entry cannot refer to another; write its settings here')
  refuse(entry, 'system_scope', 'Cinder works in projects; name one with project_name or project_id')
  refuse(entry, 'passcode', 'one-time codes cannot be renewed; use an application credential')
  const path = (key: string) => {
    const value = read(entry, key)
    return value === undefined ? undefined : resolve(where.cwd, expandHome(value, where.home))
  }
  const region = readRegion(entry)
  const timeoutSeconds = readTimeout(entry)
  const [cacert, cert, key] = [path('cacert'), path('cert'), path('key')]
  return {
    name: entry.name,
    authUrl: readUrl(
      entry,
      'auth_url',
      must(entry, 'auth_url', "Keystone's address, such as https://cloud.example:5000/v3"),
    ),
    auth: readAuth(entry),
    ...(region === undefined ? {} : { region }),
    interface: readInterface(entry),
    ...(cacert === undefined ? {} : { cacert }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
    verify: readVerify(entry),
    endpointOverrides: readOverrides(entry),
    ...(timeoutSeconds === undefined ? {} : { timeoutSeconds }),
  }
}

/** What may be any text at all: a password `null` is one. */
const secretKeys = ['password', 'application_credential_secret']

/** The first of these keys that has a value; `~` and, but for secrets, `null` are YAML's null. */
function read(entry: Entry, ...keys: string[]): string | undefined {
  for (const key of keys) {
    const value = entry.values[key]
    if (value === undefined || value === null || value === '' || value === '~') continue
    if (typeof value === 'string' && /^(null|Null|NULL)$/.test(value) && !secretKeys.includes(key)) continue
    if (typeof value !== 'string') throw fault(entry, key, 'expected text')
    return value
  }
  return undefined
}

function must(entry: Entry, key: string, expected: string): string {
  const value = read(entry, key)
  if (value === undefined) throw fault(entry, key, `missing; expected ${expected}`)
  return value
}

function fault(entry: Entry, key: string, message: string) {
  return cloudConfigError(`${entry.place(key)}: ${message}`)
}

function refuse(entry: Entry, key: string, reason: string): void {
  if (read(entry, key) !== undefined) throw fault(entry, key, `not supported: ${reason}`)
}

function readUrl(entry: Entry, key: string, value: string): string {
  const url = URL.canParse(value) ? new URL(value) : undefined
  if (url === undefined || !['http:', 'https:'].includes(url.protocol)) {
    throw fault(entry, key, `expected an http or https address`)
  }
  if (url.username !== '' || url.password !== '') {
    throw fault(entry, key, 'expected an address without user and password: addresses are logged')
  }
  if (/\/v2\.0\/?$/.test(url.pathname)) throw fault(entry, key, 'expected the address of Keystone v3, not v2.0')
  return value
}

function readAuth(entry: Entry): PasswordAuth | ApplicationCredentialAuth {
  const type = read(entry, 'auth_type') ?? 'password'
  const hasCredential = read(entry, 'application_credential_id', 'application_credential_name') !== undefined
  if (type === 'v3applicationcredential' || (hasCredential && type === 'password')) return readCredential(entry)
  if (type !== 'password' && type !== 'v3password') {
    throw fault(entry, 'auth_type', `"${type}" is not supported; expected password or v3applicationcredential`)
  }
  const password = must(entry, 'password', 'the password, here or in secure.yaml')
  const user = readUser(entry, 'username')
  const trustId = read(entry, 'trust_id')
  if (trustId !== undefined) return { method: 'password', user, password, scope: { trustId } }
  const project = readNamed(entry, ['project_id', 'tenant_id'], ['project_name', 'tenant_name'], 'project_domain')
  if (project === undefined)
    throw fault(entry, 'project_name', 'missing; expected the project to work in (or project_id)')
  return { method: 'password', user, password, scope: { project } }
}

function readCredential(entry: Entry): ApplicationCredentialAuth {
  const secret = must(entry, 'application_credential_secret', 'the secret, here or in secure.yaml')
  const id = read(entry, 'application_credential_id')
  if (id !== undefined) return { method: 'application_credential', credential: { id }, secret }
  const name = must(entry, 'application_credential_name', 'its name and the user, or application_credential_id')
  return { method: 'application_credential', credential: { name, user: readUser(entry, 'username') }, secret }
}

function readUser(entry: Entry, key: string): NameOrId {
  const user = readNamed(entry, ['user_id'], [key, 'user_name'], 'user_domain')
  if (user === undefined) throw fault(entry, key, 'missing; expected the user (or user_id)')
  return user
}

/**
 * `domain_id` and `domain_name` are those of user and project at once; without any domain the one with id `default`: as
 * in python-openstackclient.
 */
function readNamed(entry: Entry, ids: string[], names: string[], domain: string): NameOrId | undefined {
  const id = read(entry, ...ids)
  if (id !== undefined) return { id }
  const name = read(entry, ...names)
  if (name === undefined) return undefined
  for (const key of [domain, 'domain']) {
    const domainId = read(entry, `${key}_id`)
    if (domainId !== undefined) return { name, domain: { id: domainId } }
    const domainName = read(entry, `${key}_name`)
    if (domainName !== undefined) return { name, domain: { name: domainName } }
  }
  return { name, domain: { id: read(entry, 'default_domain', 'default_domain_id') ?? 'default' } }
}

/** `region_name`, else the only one of the list `regions`. */
function readRegion(entry: Entry): string | undefined {
  const region = read(entry, 'region_name')
  const list = entry.values['regions']
  if (region !== undefined || list === undefined || list === '') return region
  if (!Array.isArray(list)) throw fault(entry, 'regions', 'expected a list')
  const names = list.map((one: unknown) => (isMapping(one) ? one['name'] : one))
  const [first] = names
  if (names.length === 1 && typeof first === 'string') return first
  throw fault(entry, 'region_name', `missing; expected one of ${names.map(String).join(', ')}`)
}

function readInterface(entry: Entry): CloudInterface {
  const value = read(entry, 'interface', 'endpoint_type') ?? 'public'
  const short = value.replace(/URL$/, '')
  if (short === 'public' || short === 'internal' || short === 'admin') return short
  throw fault(entry, 'interface', `"${value}" is none; expected public, internal or admin`)
}

function readVerify(entry: Entry): boolean {
  const verify = readBoolean(entry, 'verify') ?? true
  const insecure = readBoolean(entry, 'insecure') ?? false
  return verify && !insecure
}

function readBoolean(entry: Entry, key: string): boolean | undefined {
  const value = read(entry, key)
  if (value === undefined) return undefined
  if (/^(true|yes|on|1|y|t)$/i.test(value)) return true
  if (/^(false|no|off|0|n|f)$/i.test(value)) return false
  throw fault(entry, key, `"${value}" is no truth value; expected true or false`)
}

function readTimeout(entry: Entry): number | undefined {
  const value = read(entry, 'api_timeout')
  if (value === undefined) return undefined
  const seconds = Number(value)
  if (!(seconds > 0 && seconds <= 3600)) throw fault(entry, 'api_timeout', `"${value}": expected seconds, 1 to 3600`)
  return seconds
}

/** `volume_endpoint_override`, `block_storage_endpoint_override`, …; those of services that we do not use are let be. */
function readOverrides(entry: Entry): CloudOptions['endpointOverrides'] {
  const result: CloudOptions['endpointOverrides'] = {}
  for (const service of Object.keys(serviceAliases) as ServiceType[]) {
    for (const alias of serviceAliases[service]) {
      const key = `${alias.replaceAll('-', '_')}_endpoint_override`
      const url = read(entry, key)
      if (url !== undefined) result[service] ??= readUrl(entry, key, url)
    }
  }
  return result
}
