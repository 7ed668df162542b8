/** Which cloud, and how to get in: clouds.yaml as all OpenStack clients read it, or `OS_*` variables. */
import { resolveEntry, type Entry } from './cloud-entry.js'
import { isMapping, readCloudsFiles, type CloudsFiles, type Env } from './clouds-files.js'
import { cloudConfigError } from './errors.js'
import { nearest } from './nearest.js'
import type { CloudOptions } from './options.js'

export interface CloudPlace {
  /** An entry of clouds.yaml; without it `OS_CLOUD`, then the other `OS_*` variables. */
  name?: string | undefined
  env: Env
  /** Where the process runs; its clouds.yaml comes first. */
  cwd: string
  home: string
}

/**
 * Files are looked for as openstacksdk does: `OS_CLIENT_CONFIG_FILE`, else clouds.yaml in `cwd`, `~/.config/openstack`,
 * `/etc/openstack`; secure.yaml likewise (`OS_CLIENT_SECURE_FILE`), whose values win.
 * @throws CodedError `CK-CLOUD-CONFIG`; no message holds a value that could be a secret
 */
export async function loadCloud(place: CloudPlace): Promise<CloudOptions> {
  const name = place.name ?? (place.env['OS_CLOUD'] === '' ? undefined : place.env['OS_CLOUD'])
  if (name === undefined) return resolveEntry(fromVariables(place.env), place)
  const named = place.name === undefined ? 'OS_CLOUD' : 'cloud'
  return resolveEntry(fromFile(name, named, await readCloudsFiles(place)), place)
}

function fromFile(name: string, named: string, files: CloudsFiles): Entry {
  if (files.file === null) {
    throw cloudConfigError(
      `${named}: "${name}" is an entry of a clouds.yaml, and there is none; looked for ${files.searched.join(', ')}`,
      'Write a clouds.yaml, or unset the name and set the OS_* variables.',
    )
  }
  const entry = files.clouds[name]
  if (entry === undefined) {
    const known = Object.keys(files.clouds)
    const near = nearest(name, known)
    throw cloudConfigError(
      `${named}: "${name}" is no entry of ${files.file}; ` +
        (known.length === 0 ? 'it has none' : `entries are ${known.join(', ')}`) +
        (near === undefined ? '' : `; did you mean ${near}?`),
    )
  }
  if (!isMapping(entry)) throw cloudConfigError(`${files.file}: clouds.${name}: expected a mapping`)
  const auth = entry['auth'] ?? {}
  if (!isMapping(auth) && auth !== '') throw cloudConfigError(`${files.file}: clouds.${name}.auth: expected a mapping`)
  const inner = isMapping(auth) ? auth : {}
  return {
    name: `cloud ${name}`,
    place: (key) => `${files.file ?? ''}: clouds.${name}.${key in inner || belongsToAuth(key) ? 'auth.' : ''}${key}`,
    // openstacksdk reads `region-name` as `region_name`
    values: Object.fromEntries(
      Object.entries({ ...entry, ...inner }).map(([key, value]) => [key.replaceAll('-', '_'), value]),
    ),
  }
}

/** Where a missing key is expected. */
function belongsToAuth(key: string): boolean {
  return /^(auth_url|username|user_id|password|project_(name|id)|application_credential_\w+|trust_id)$/.test(key)
}

/** `OS_PROJECT_NAME` is the key `project_name`. */
function fromVariables(env: Env): Entry {
  if (env['OS_AUTH_URL'] === undefined || env['OS_AUTH_URL'] === '') {
    throw cloudConfigError(
      'no cloud is named: there is neither cloud in the configuration, nor OS_CLOUD, nor OS_AUTH_URL',
      'Name an entry of clouds.yaml, or set the OS_* variables (an openrc file does).',
    )
  }
  const values = Object.entries(env).flatMap(([key, value]) =>
    // OS_PROFILE is the profiler's key, no vendor's profile
    key.startsWith('OS_') && key !== 'OS_PROFILE' && value !== undefined
      ? [[key.slice(3).toLowerCase(), value] as const]
      : [],
  )
  return { name: 'OS_*', place: (key) => `OS_${key.toUpperCase()}`, values: Object.fromEntries(values) }
}
