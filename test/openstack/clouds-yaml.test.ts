import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { loadCloud } from '../../openstack/clouds-yaml.js'

let room: string
let cwd: string
let home: string

beforeEach(async () => {
  room = await mkdtemp(join(tmpdir(), 'ck-clouds-'))
  cwd = join(room, 'work')
  home = join(room, 'home')
})

afterEach(async () => {
  await rm(room, { recursive: true })
})

async function write(path: string, text: string): Promise<string> {
  await mkdir(dirname(path), { recursive: true })
  await writeFile(path, text)
  return path
}

const entry = (authUrl: string, more = '') => `
clouds:
  lab:
    auth: {auth_url: '${authUrl}', username: u, password: p, project_name: proj}
${more}`

async function load(env: Record<string, string> = {}, name: string | null = 'lab') {
  return await loadCloud({ name: name ?? undefined, env, cwd, home })
}

async function refusal(env: Record<string, string> = {}, name: string | null = 'lab') {
  const error = await load(env, name).then(
    () => new Error('accepted'),
    (reason: unknown) => reason,
  )
  expect(error).toMatchObject({ code: 'CK-CLOUD-CONFIG' })
  return error as Error
}

describe('clouds.yaml', () => {
  it('is taken from OS_CLIENT_CONFIG_FILE, else the working directory, else ~/.config/openstack', async () => {
    const user = join(home, '.config/openstack/clouds.yaml')
    await write(user, entry('http://user'))
    expect((await load()).authUrl).toBe('http://user')
    await write(join(cwd, 'clouds.yaml'), entry('http://cwd'))
    expect((await load()).authUrl).toBe('http://cwd')
    const named = await write(join(room, 'named.yaml'), entry('http://named'))
    expect((await load({ OS_CLIENT_CONFIG_FILE: named })).authUrl).toBe('http://named')
  })

  it('is looked for in XDG_CONFIG_HOME where that is set', async () => {
    await write(join(room, 'xdg/openstack/clouds.yml'), entry('http://xdg'))
    expect((await load({ XDG_CONFIG_HOME: join(room, 'xdg') })).authUrl).toBe('http://xdg')
  })

  it('that is named but does not exist is refused, not passed over', async () => {
    await write(join(cwd, 'clouds.yaml'), entry('http://cwd'))
    const error = await refusal({ OS_CLIENT_CONFIG_FILE: join(room, 'none.yaml') })
    expect(error.message).toBe(`OS_CLIENT_CONFIG_FILE: ${join(room, 'none.yaml')} does not exist`)
  })

  it('that is nowhere is refused with the places', async () => {
    // a machine may have one in /etc/openstack
    const places = new RegExp(`${join(home, '.config/openstack/clouds.yaml')}|no entry of /etc/openstack`)
    expect((await refusal({}, 'nobody-calls-a-cloud-so')).message).toMatch(places)
  })

  it('is completed by the first secure.yaml, whose values win', async () => {
    await write(join(cwd, 'clouds.yaml'), entry('http://cwd', '    region_name: one\n'))
    await write(
      join(home, '.config/openstack/secure.yaml'),
      'clouds: {lab: {auth: {password: from-secure}}, other: {auth: {password: x}}}',
    )
    const cloud = await load()
    expect(cloud).toMatchObject({
      name: 'cloud lab',
      authUrl: 'http://cwd',
      region: 'one',
      auth: { method: 'password', user: { name: 'u' }, password: 'from-secure' },
    })
    await write(join(cwd, 'secure.yaml'), 'clouds: {lab: {auth: {password: nearer}}}')
    expect((await load()).auth).toMatchObject({ password: 'nearer' })
    const named = await write(join(room, 's.yaml'), 'clouds: {lab: {auth: {password: named}}}')
    expect((await load({ OS_CLIENT_SECURE_FILE: named })).auth).toMatchObject({ password: 'named' })
  })

  it.each(['0123', 'yes', '1e3', 'null', '"~x"', "'#a'"])('keeps the password %s as it is written', async (written) => {
    const text = `clouds: {lab: {auth: {auth_url: http://k, username: u, project_id: 012, password: ${written}}}}`
    await write(join(cwd, 'clouds.yaml'), text)
    const password = written.replace(/^["'](.*)["']$/, '$1')
    expect((await load()).auth).toMatchObject({ password, scope: { project: { id: '012' } } })
  })

  it('takes the entry of OS_CLOUD where none is named, before other variables', async () => {
    await write(join(cwd, 'clouds.yaml'), entry('http://cwd'))
    const cloud = await load({ OS_CLOUD: 'lab', OS_AUTH_URL: 'http://variable' }, null)
    expect(cloud.authUrl).toBe('http://cwd')
  })

  it('without the entry names those it has, and the nearest', async () => {
    const file = await write(join(cwd, 'clouds.yaml'), entry('http://cwd', '  production: {}\n'))
    expect((await refusal({}, 'labb')).message).toBe(
      `cloud: "labb" is no entry of ${file}; entries are lab, production; did you mean lab?`,
    )
    expect((await refusal({ OS_CLOUD: 'xyzzy' }, null)).message).toBe(
      `OS_CLOUD: "xyzzy" is no entry of ${file}; entries are lab, production`,
    )
  })

  it('that is no YAML is refused with its line, and without its text', async () => {
    const file = await write(join(cwd, 'clouds.yaml'), 'clouds:\n  lab:\n   password: "secret-of-mine\n')
    const error = await refusal()
    expect(error.message).toContain(`${file}:`)
    expect(error.message).not.toContain('secret-of-mine')
  })
})

describe('an entry', () => {
  const lines = async (...rows: string[]) => {
    await write(join(cwd, 'clouds.yaml'), `clouds:\n  lab:\n${rows.map((row) => `    ${row}\n`).join('')}`)
  }
  const auth = 'auth: {auth_url: http://k:5000, username: u, password: p, project_name: proj}'

  it('may hold domains, region, interface, certificates, overrides and a timeout', async () => {
    await lines(
      'auth:',
      '  auth_url: https://k:5000/v3',
      '  username: u',
      '  user_domain_name: Users',
      '  password: p',
      '  project_name: proj',
      '  project_domain_id: d1',
      'region_name: zurich',
      'interface: internalURL',
      'cacert: ~/ca.pem',
      'verify: False',
      'volume_endpoint_override: http://v/v3',
      'network_endpoint_override: whatever',
      'api_timeout: 12',
    )
    expect(await load()).toEqual({
      name: 'cloud lab',
      authUrl: 'https://k:5000/v3',
      auth: {
        method: 'password',
        user: { name: 'u', domain: { name: 'Users' } },
        password: 'p',
        scope: { project: { name: 'proj', domain: { id: 'd1' } } },
      },
      region: 'zurich',
      interface: 'internal',
      cacert: join(home, 'ca.pem'),
      verify: false,
      endpointOverrides: { 'block-storage': 'http://v/v3' },
      timeoutSeconds: 12,
    })
  })

  it('takes domain_name for the domain of user and project, unless one of them has its own', async () => {
    await lines('auth: {auth_url: http://k, username: u, password: p, project_name: n, domain_name: Corp}')
    expect((await load()).auth).toMatchObject({
      user: { name: 'u', domain: { name: 'Corp' } },
      scope: { project: { name: 'n', domain: { name: 'Corp' } } },
    })
    await lines(
      'domain_id: d1',
      'auth: {auth_url: http://k, username: u, password: p, project_name: n, user_domain_id: d2}',
    )
    expect((await load()).auth).toMatchObject({
      user: { domain: { id: 'd2' } },
      scope: { project: { domain: { id: 'd1' } } },
    })
  })

  it('takes null for nothing, and dashes in keys for underscores', async () => {
    await lines(
      'auth: {auth_url: http://k, username: u, password: p, project-name: n, user_id: null}',
      'region-name: zurich',
      'cacert: null',
      'verify: NULL',
    )
    const options = await load()
    expect(options).toMatchObject({
      auth: { user: { name: 'u' }, scope: { project: { name: 'n' } } },
      region: 'zurich',
      verify: true,
    })
    expect(options.cacert).toBeUndefined()
  })

  it('prefers block_storage_endpoint_override and ids; verifies, and is public and of the default domain, by default', async () => {
    await lines(
      'auth: {auth_url: http://k, username: u, user_id: u1, password: p, project_name: n}',
      'block_storage_endpoint_override: http://b',
      'volume_endpoint_override: http://v',
    )
    expect(await load()).toMatchObject({
      auth: { user: { id: 'u1' }, scope: { project: { name: 'n', domain: { id: 'default' } } } },
      verify: true,
      interface: 'public',
      endpointOverrides: { 'block-storage': 'http://b' },
    })
  })

  it.each([
    ['by id', 'application_credential_id: i', { id: 'i' }],
    ['by name', 'application_credential_name: n, user_id: u1', { name: 'n', user: { id: 'u1' } }],
  ])('may be an application credential %s', async (_how, keys, credential) => {
    await lines(
      'auth_type: v3applicationcredential',
      `auth: {auth_url: http://k, ${keys}, application_credential_secret: s}`,
    )
    expect((await load()).auth).toEqual({ method: 'application_credential', credential, secret: 's' })
  })

  it('may be a trust, which brings its own project', async () => {
    await lines('auth: {auth_url: http://k, username: u, password: p, trust_id: t}')
    expect((await load()).auth).toMatchObject({ scope: { trustId: 't' } })
  })

  it('may take from a YAML anchor', async () => {
    await write(
      join(cwd, 'clouds.yaml'),
      `common: &common {region_name: zurich}\nclouds:\n  lab:\n    <<: *common\n    ${auth}\n`,
    )
    expect((await load()).region).toBe('zurich')
  })

  it.each([
    ['clouds.lab.auth.auth_url: missing', ['auth: {username: u}']],
    ['clouds.lab.auth.password: missing', ['auth: {auth_url: http://k, username: u, project_id: p}']],
    ['clouds.lab.auth.username: missing', ['auth: {auth_url: http://k, password: x, project_id: p}']],
    ['clouds.lab.auth.project_name: missing', ['auth: {auth_url: http://k, username: u, password: x}']],
    [
      'clouds.lab.auth.application_credential_secret: missing',
      ['auth: {auth_url: http://k, application_credential_id: i}'],
    ],
    ['clouds.lab.auth_type: "v3token" is not supported', ['auth_type: v3token', auth]],
    ['clouds.lab.interface: "pubic" is none; expected public, internal or admin', ['interface: pubic', auth]],
    ['clouds.lab.verify: "maybe" is no truth value', ['verify: maybe', auth]],
    ['clouds.lab.api_timeout: "soon"', ['api_timeout: soon', auth]],
    ['clouds.lab.profile: not supported: vendors', ['profile: citycloud', auth]],
    ['clouds.lab.auth.system_scope: not supported', ['auth: {auth_url: http://k, system_scope: all}']],
    ['clouds.lab.region_name: missing; expected one of a, b', ['regions: [a, {name: b}]', auth]],
    ['clouds.lab.auth.auth_url: expected an http', ['auth: {auth_url: "k:5000"}']],
    ['clouds.lab.auth.auth_url: expected the address of Keystone v3', ['auth: {auth_url: http://k/v2.0/}']],
    ['clouds.lab.auth: expected a mapping', ['auth: [a]']],
  ])('is refused as %s', async (message, rows) => {
    await lines(...rows)
    expect((await refusal()).message).toContain(`${join(cwd, 'clouds.yaml')}: ${message}`)
  })

  it('never shows a password that stands in an address', async () => {
    await lines('auth: {auth_url: "http://u:hidden-word@k", username: u, password: p, project_id: p}')
    expect((await refusal()).message).not.toContain('hidden-word')
  })
})

describe('OS_* variables', () => {
  const env = { OS_AUTH_URL: 'http://k/v3', OS_USERNAME: 'u', OS_PASSWORD: 'p', OS_PROJECT_NAME: 'proj' }

  it('are read as an openrc file sets them', async () => {
    const cloud = await load(
      {
        ...env,
        OS_USER_DOMAIN_NAME: 'Default',
        OS_PROJECT_DOMAIN_ID: 'd1',
        OS_REGION_NAME: 'RegionOne',
        OS_ENDPOINT_TYPE: 'internalURL',
        OS_CACERT: 'ca.pem',
        OS_IDENTITY_API_VERSION: '3',
        OS_VOLUME_ENDPOINT_OVERRIDE: 'http://v',
        OS_PROFILE: 'a profiler key',
        OS_CLOUD: '',
      },
      null,
    )
    expect(cloud).toEqual({
      name: 'OS_*',
      authUrl: 'http://k/v3',
      auth: {
        method: 'password',
        user: { name: 'u', domain: { name: 'Default' } },
        password: 'p',
        scope: { project: { name: 'proj', domain: { id: 'd1' } } },
      },
      region: 'RegionOne',
      interface: 'internal',
      cacert: join(cwd, 'ca.pem'),
      verify: true,
      endpointOverrides: { 'block-storage': 'http://v' },
    })
  })

  it('are named where one is missing or wrong', async () => {
    expect((await refusal({ ...env, OS_PASSWORD: '' }, null)).message).toContain('OS_PASSWORD: missing')
    expect((await refusal({ ...env, OS_INSECURE: 'perhaps' }, null)).message).toContain('OS_INSECURE: "perhaps"')
    expect((await refusal({}, null)).message).toContain('neither cloud in the configuration, nor OS_CLOUD')
  })

  it('may be an application credential', async () => {
    const credential = { OS_APPLICATION_CREDENTIAL_ID: 'i', OS_APPLICATION_CREDENTIAL_SECRET: 's' }
    const cloud = await load({ OS_AUTH_URL: 'http://k', ...credential }, null)
    expect(cloud.auth).toEqual({ method: 'application_credential', credential: { id: 'i' }, secret: 's' })
  })
})
