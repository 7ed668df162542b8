import { Connection } from '@temporalio/client'
import proto from '@temporalio/proto'
import { randomUUID } from 'node:crypto'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { stringify } from 'yaml'
import { projectRoot } from '../../setup/project.js'
import { freePorts } from '../../setup/ports.js'
import { createNamespace, prepareNamespace, removeNamespace } from '../../setup/temporal-namespace.js'
import { bundlePath } from '../../worker/bundle.js'
import { registerSearchAttributes } from '../../worker/register-search-attributes.js'
import { searchAttributes } from '../../workflows/search-attributes.js'
import { eventually } from '../helpers/workflow-rig.js'

const { IndexedValueType } = proto.temporal.api.enums.v1
const address = process.env['TEMPORAL_ADDRESS'] ?? ''
let connection: Connection
const namespaces: string[] = []

beforeAll(async () => {
  connection = await Connection.connect({ address })
})
afterAll(async () => {
  await connection.close()
  for (const namespace of namespaces) await removeNamespace(address, namespace)
})

async function newNamespace(): Promise<string> {
  const namespace = `ck-worker-${randomUUID()}`
  await createNamespace(address, namespace)
  namespaces.push(namespace)
  await eventually('the namespace', async () =>
    connection.operatorService.listSearchAttributes({ namespace }).then(
      () => true,
      () => false as const,
    ),
  )
  return namespace
}

const attributesOf = async (namespace: string) =>
  (await connection.operatorService.listSearchAttributes({ namespace })).customAttributes

describe('registerSearchAttributes', () => {
  it('adds the columns that are missing, and leaves alone what is there', async () => {
    const namespace = await newNamespace()
    await connection.operatorService.addSearchAttributes({
      namespace,
      searchAttributes: {
        name: IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD,
        theirs: IndexedValueType.INDEXED_VALUE_TYPE_INT,
      },
    })
    await eventually('theirs', async () => 'theirs' in (await attributesOf(namespace)))
    await registerSearchAttributes(connection, namespace)
    const names = ['theirs', ...Object.values(searchAttributes).map(({ name }) => name)].sort()
    await eventually('all columns', async () => Object.keys(await attributesOf(namespace)).length === names.length)
    const registered = await attributesOf(namespace)
    expect(Object.keys(registered).sort()).toEqual(names)
    expect(registered['points']).toBe(IndexedValueType.INDEXED_VALUE_TYPE_INT)
    expect(registered['verified']).toBe(IndexedValueType.INDEXED_VALUE_TYPE_DATETIME)
    await registerSearchAttributes(connection, namespace)
  })

  it('refuses a namespace in which another has taken a name with another type', async () => {
    const namespace = await newNamespace()
    await connection.operatorService.addSearchAttributes({
      namespace,
      searchAttributes: { points: IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD },
    })
    await eventually('points', async () => 'points' in (await attributesOf(namespace)))
    await expect(registerSearchAttributes(connection, namespace)).rejects.toMatchObject({
      code: 'CK-TEMPORAL-ATTRIBUTES',
      message: expect.stringContaining('"points"') as unknown,
    })
    expect(Object.keys(await attributesOf(namespace))).toEqual(['points'])
  })
})

describe('the build', () => {
  it('holds the workflows’ bundle where workers look for it', async () => {
    const built = bundlePath.replace(projectRoot, join(projectRoot, 'dist')).replace('dist/dist', 'dist')
    expect((await stat(built)).size).toBeGreaterThan(100_000)
  })
})

describe('a role’s process', () => {
  async function runRole(role: string, temporal: { address: string; namespace: string }) {
    const dir = await mkdtemp(join(tmpdir(), 'ck-worker-'))
    const file = join(dir, 'cinderkeep.yaml')
    await writeFile(file, stringify({ installation: randomUUID(), temporal }))
    const kept = Object.entries(process.env).filter(([key]) => !/^(OS_|TEMPORAL_|CINDERKEEP_)/.test(key))
    const cloud = { OS_AUTH_URL: 'http://127.0.0.1:1/v3', OS_USERNAME: 'u', OS_PASSWORD: 'p', OS_PROJECT_NAME: 'p' }
    const child = spawn(
      process.execPath,
      [join(projectRoot, 'dist/cli/main.js'), 'run', '--role', role, '--config', file],
      { env: { ...Object.fromEntries(kept), ...cloud }, stdio: ['ignore', 'ignore', 'pipe'] },
    )
    let said = ''
    child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()))
    const ended = once(child, 'exit').then(async ([code]) => {
      await rm(dir, { recursive: true, force: true })
      return code as number | null
    })
    return { child, ended, said: () => said }
  }

  it('says that Temporal does not answer, what to check, and ends with exit code 1', async () => {
    const [port] = await freePorts(1)
    const role = await runRole('control', { address: `127.0.0.1:${port ?? 1}`, namespace: 'default' })
    expect(await role.ended).toBe(1)
    expect(role.said()).toContain('CK-TEMPORAL-UNREACHABLE')
    expect(role.said()).toContain('TEMPORAL_ADDRESS')
  })

  it.each(['control', 'mover'])('ends with exit code 0 when it is told to end (%s)', async (name) => {
    const namespace = await newNamespace()
    await prepareNamespace(address, namespace)
    const role = await runRole(name, { address, namespace })
    await eventually('its start', () => role.said().includes(`${name} starts`))
    role.child.kill('SIGTERM')
    expect(await role.ended).toBe(0)
    expect(role.said()).toContain(`${name} ended`)
  })
})
