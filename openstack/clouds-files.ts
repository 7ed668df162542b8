/** Finds, reads and merges clouds.yaml and secure.yaml, in openstacksdk's order (openstack/config/loader.py). */
import { readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { parse } from 'yaml'
import { cloudConfigError } from './errors.js'

export type Env = Readonly<Record<string, string | undefined>>

export interface CloudsFiles {
  /** The clouds.yaml that was read, or null when there is none. */
  file: string | null
  secureFile: string | null
  /** All scalars are strings, as written. */
  clouds: Record<string, unknown>
  /** Where was looked, for messages. */
  searched: string[]
}

/**
 * The first clouds.yaml and, looked for on its own, the first secure.yaml, whose values win.
 * @throws CodedError `CK-CLOUD-CONFIG` for a file that is named but missing, or cannot be read or understood
 */
export async function readCloudsFiles(where: { env: Env; cwd: string; home: string }): Promise<CloudsFiles> {
  const clouds = await readFirst('clouds', where.env['OS_CLIENT_CONFIG_FILE'], 'OS_CLIENT_CONFIG_FILE', where)
  const secure = await readFirst('secure', where.env['OS_CLIENT_SECURE_FILE'], 'OS_CLIENT_SECURE_FILE', where)
  return {
    file: clouds.file,
    secureFile: secure.file,
    // a secure.yaml on its own names no cloud
    clouds: clouds.file === null ? {} : merge(clouds.clouds, secure.clouds),
    searched: clouds.searched,
  }
}

/** Mappings are merged key by key; of anything else the second wins. */
export function merge(first: Record<string, unknown>, second: Record<string, unknown>): Record<string, unknown> {
  const result = new Map(Object.entries(first))
  for (const [key, value] of Object.entries(second)) {
    const old = result.get(key)
    result.set(key, isMapping(old) && isMapping(value) ? merge(old, value) : value)
  }
  return Object.fromEntries(result)
}

export function isMapping(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

async function readFirst(
  stem: 'clouds' | 'secure',
  named: string | undefined,
  variable: string,
  { env, cwd, home }: { env: Env; cwd: string; home: string },
) {
  const folders = [cwd, join(env['XDG_CONFIG_HOME'] ?? join(home, '.config'), 'openstack'), '/etc/openstack']
  const usual = folders.flatMap((folder) => ['yaml', 'yml', 'json'].map((suffix) => join(folder, `${stem}.${suffix}`)))
  const override = named === undefined || named === '' ? undefined : resolve(cwd, expandHome(named, home))
  const searched = override === undefined ? usual : [override]
  for (const file of searched) {
    const text = await readIfThere(file)
    if (text !== undefined) return { file, clouds: parseClouds(text, file), searched }
  }
  if (override !== undefined) throw cloudConfigError(`${variable}: ${override} does not exist`, `Mend ${variable}.`)
  return { file: null, clouds: {}, searched }
}

export function expandHome(path: string, home: string): string {
  return path === '~' || path.startsWith('~/') ? join(home, path.slice(2)) : path
}

async function readIfThere(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
    throw cloudConfigError(
      `${file}: cannot be read: ${code ?? 'unknown reason'}`,
      'Give this process the right to read it.',
    )
  }
}

/** The failsafe schema keeps every scalar as it is written: a password `0123` or `yes` is no number and no boolean. */
function parseClouds(text: string, file: string): Record<string, unknown> {
  let document: unknown
  try {
    document = parse(text, { schema: 'failsafe', merge: true, prettyErrors: false })
  } catch (error) {
    // without pretty errors the message holds no lines of the file, which may be a password's
    const { code, pos } = error as { code?: string; pos?: [number, number] }
    const line = pos === undefined ? '' : `:${text.slice(0, pos[0]).split('\n').length}`
    throw cloudConfigError(`${file}${line}: no YAML (${code ?? 'unknown reason'})`, 'Mend the file.')
  }
  if (document === null || document === undefined || document === '') return {}
  if (!isMapping(document)) throw cloudConfigError(`${file}: expected a mapping with the key clouds`, 'Mend the file.')
  const clouds = document['clouds'] ?? {}
  if (clouds === '') return {}
  if (!isMapping(clouds)) throw cloudConfigError(`${file}: clouds: expected a mapping of cloud names`, 'Mend the file.')
  return clouds
}
