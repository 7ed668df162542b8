/** What `source/rbd` makes of the answers of `rbd`; here a script with answers of our own, in test/lab the real one. */
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { hashBytes } from '../../source/hash-bytes.js'
import { sourcesOptions } from '../../source/options.js'
import { rbdSource } from '../../source/rbd.js'
import type { BytesRef, OpenBytes, Source } from '../../source/source.js'
import { naiveRoot } from './naive-root.js'

interface Answer {
  /** Base64. */
  stdout?: string
  stderr?: string
  exitCode?: number
}

let dir: string
let path: string | undefined

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'cinderkeep-rbd-'))
  path = process.env['PATH']
  process.env['PATH'] = `${dir}${delimiter}${path ?? ''}`
  const script = `#!${process.execPath}
const answers = JSON.parse(require('fs').readFileSync(${JSON.stringify(join(dir, 'answers.json'))}, 'utf8'))
const answer = answers[process.argv.slice(2).join(' ').split(' --')[0]] ?? { stderr: 'not prepared', exitCode: 99 }
process.stderr.write(answer.stderr ?? '')
process.stdout.write(Buffer.from(answer.stdout ?? '', 'base64'), () => { process.exitCode = answer.exitCode ?? 0 })
`
  await writeFile(join(dir, 'rbd'), script)
  await chmod(join(dir, 'rbd'), 0o755)
})

afterEach(async () => {
  process.env['PATH'] = path
  await rm(dir, { recursive: true })
})

const ref: BytesRef = { volumeId: 'v', host: 'lab@ceph#ceph', nameId: null, snapshotId: 's' }

/** A snapshot of 8 KiB whose first bytes are written; each test spoils an answer. */
const good: Record<string, Answer> = {
  'snap ls': json([
    { id: 3, name: 'snapshot-other', size: 1, protected: 'true' },
    { id: 4, name: 'snapshot-s', size: 8192, protected: 'true', timestamp: 'x' },
  ]),
  'export-diff': { stdout: stream('snapshot-s', 8192).toString('base64') },
  diff: json([
    { offset: 0, length: 4096, exists: 'true' },
    { offset: 4096, length: 512, exists: 'true' },
    { offset: 4608, length: 512, exists: 'false' },
    { offset: 6000, length: 10, exists: 'true' },
  ]),
  status: json({ watchers: [{ address: '10.0.0.1:0/7', client: 42, cookie: 1 }] }),
}

function json(value: unknown): Answer {
  return { stdout: Buffer.from(JSON.stringify(value)).toString('base64') }
}

/** @param snapshot null for the image itself @param from where a difference begins */
function stream(snapshot: string | null, size: number, from: string | null = null): Buffer {
  const sized = Buffer.alloc(9)
  sized.write('s')
  sized.writeBigUInt64LE(BigInt(size), 1)
  const written = Buffer.alloc(17)
  written.write('w')
  written.writeBigUInt64LE(5n, 9)
  const parts = ['rbd diff v1\n', named('f', from), named('t', snapshot), sized, written, 'bytes', 'e']
  return Buffer.concat(parts.map((part) => Buffer.from(part)))
}

function named(tag: string, name: string | null): Buffer {
  if (name === null) return Buffer.alloc(0)
  const head = Buffer.alloc(5)
  head.write(tag)
  head.writeUInt32LE(name.length, 1)
  return Buffer.concat([head, Buffer.from(name)])
}

async function source(spoilt: Record<string, Answer> = {}): Promise<Source> {
  await writeFile(join(dir, 'answers.json'), JSON.stringify({ ...good, ...spoilt }))
  const entry = { match: '*', kind: 'rbd', conf: '/c', user: 'u', pool: 'volumes', parents: ['images'], keyring: '/k' }
  const [options] = sourcesOptions.parse([entry])
  if (options?.kind !== 'rbd') throw new Error('unreachable')
  return rbdSource(options)
}

describe('source rbd', () => {
  it('reads size, identity, bytes, extents and watchers from what rbd says', async () => {
    const rbd = await source()
    const bytes = await rbd.open(ref)
    expect(bytes).toMatchObject({ sizeBytes: 8192, identity: '4' })
    const expected = Buffer.alloc(8192)
    expected.write('bytes')
    expect(await hashBytes(bytes)).toEqual({ rootHash: naiveRoot(expected), sizeBytes: 8192, readBytes: 5 })
    expect(await bytes.extents()).toEqual([
      { offset: 0, length: 4608 },
      { offset: 6000, length: 10 },
    ])
    expect(await rbd.watchers(ref)).toEqual(['client.42 10.0.0.1:0/7'])
  })

  it('reads no extents from an empty list, and understands nothing that is no list', async () => {
    const empty = await (await source({ diff: json([]) })).open(ref)
    expect(await empty.extents()).toEqual([])
    for (const text of ['', '[{"offset":0,"length":1,"exists":"true"}', '[{"offset":0}]', '[{"offset":']) {
      const cut = await (await source({ diff: { stdout: Buffer.from(text).toString('base64') } })).open(ref)
      await expect(cut.extents()).rejects.toMatchObject({ code: 'CK-SOURCE-ANSWER' })
    }
  })

  it.each<[string, Answer, string]>([
    ['fails after a whole stream', { ...good['export-diff'], exitCode: 5 }, 'CK-SOURCE-COMMAND'],
    ['complains beside a whole stream', { ...good['export-diff'], stderr: 'rbd: read failed\n' }, 'CK-SOURCE-COMMAND'],
    ['ends well with a cut stream', { stdout: cutStream(1) }, 'CK-SOURCE-STREAM'],
    ['ends well with nothing', {}, 'CK-SOURCE-STREAM'],
    ['gives another snapshot', { stdout: stream('snapshot-t', 8192).toString('base64') }, 'CK-SOURCE-STREAM'],
    ['gives a difference', { stdout: stream('snapshot-s', 8192, 'snapshot-r').toString('base64') }, 'CK-SOURCE-STREAM'],
    ['gives another size', { stdout: stream('snapshot-s', 4096).toString('base64') }, 'CK-CAPTURE-LOST'],
  ])('gives no hash when export-diff %s', async (_, answer, code) => {
    const bytes = await (await source({ 'export-diff': answer })).open(ref)
    await expect(hashBytes(bytes)).rejects.toMatchObject({ code })
  })

  const base = { name: 'snapshot-other', id: 3 }
  async function since(bytes: OpenBytes): Promise<unknown[]> {
    const runs: unknown[] = []
    for await (const run of bytes.readSince?.(base) ?? []) {
      runs.push('zero' in run ? run : [run.offset, Buffer.from(run.data).toString()])
    }
    await bytes.confirm()
    return runs
  }

  it('reads what differs from an earlier snapshot', async () => {
    const difference = { stdout: stream('snapshot-s', 8192, 'snapshot-other').toString('base64') }
    expect(await since(await (await source({ 'export-diff': difference })).open(ref))).toEqual([[0, 'bytes']])
  })

  it.each<[string, string | null, string | null, number, string]>([
    ['is whole', null, 'snapshot-s', 8192, 'CK-SOURCE-STREAM'],
    ['begins elsewhere', 'snapshot-none', 'snapshot-s', 8192, 'CK-SOURCE-STREAM'],
    ['is of another snapshot', 'snapshot-other', 'snapshot-t', 8192, 'CK-SOURCE-STREAM'],
    ['is of the image', 'snapshot-other', null, 8192, 'CK-SOURCE-STREAM'],
    ['is of another size', 'snapshot-other', 'snapshot-s', 8191, 'CK-CAPTURE-LOST'],
  ])('takes no difference that %s', async (_, from, to, size, code) => {
    const answer = { stdout: stream(to, size, from).toString('base64') }
    await expect(since(await (await source({ 'export-diff': answer })).open(ref))).rejects.toMatchObject({ code })
  })

  it.each<[string, Answer]>([
    ['gone', json([{ id: 4, name: 'snapshot-s', size: 8192 }])],
    [
      'another one',
      json([
        { id: 5, name: 'snapshot-other', size: 1 },
        { id: 4, name: 'snapshot-s', size: 8192 },
      ]),
    ],
  ])('takes no difference when its base is %s', async (_, after) => {
    const difference = { stdout: stream('snapshot-s', 8192, 'snapshot-other').toString('base64') }
    const bytes = await (await source({ 'export-diff': difference })).open(ref)
    for await (const run of bytes.readSince?.(base) ?? []) {
      expect(run.offset).toBe(0)
      await source({ 'snap ls': after })
    }
    await expect(bytes.confirm()).rejects.toMatchObject({ code: 'CK-SOURCE-BASE-LOST' })
    await expect(since(bytes)).rejects.toMatchObject({ code: 'CK-SOURCE-BASE-LOST' })
  })

  it('opens an RBD snapshot by its name and its id', async () => {
    const rbd = await source()
    const bySnapshot = (id: number) => rbd.open({ ...ref, snapshotId: null, rbdSnapshot: { name: 'snapshot-s', id } })
    expect(await bySnapshot(4)).toMatchObject({ sizeBytes: 8192, identity: '4' })
    await expect(bySnapshot(5)).rejects.toMatchObject({ code: 'CK-CAPTURE-LOST' })
  })

  it('overlooks remarks on configuration, which come with every command on many clouds', async () => {
    const stderr = '2026-11-23T11:28:05.515+0000 7fb4 -1 asok(0x55) AdminSocketConfigObs::init: failed\n\n'
    const bytes = await (await source({ 'export-diff': { ...good['export-diff'], stderr } })).open(ref)
    expect(await hashBytes(bytes)).toMatchObject({ readBytes: 5 })
  })

  it('says that the snapshot is lost when that is why the reading failed', async () => {
    const bytes = await (
      await source({ 'export-diff': { stderr: 'error setting snapshot context', exitCode: 2 } })
    ).open(ref)
    await source({ 'export-diff': { stderr: 'error setting snapshot context', exitCode: 2 }, 'snap ls': json([]) })
    await expect(hashBytes(bytes)).rejects.toMatchObject({ code: 'CK-CAPTURE-LOST' })
  })

  it.each<[string, Answer]>([
    ['deleted', json([])],
    ['replaced by one of the same name', json([{ id: 5, name: 'snapshot-s', size: 8192 }])],
    ['gone with its image', { stderr: 'rbd: error opening image volume-v: (2) No such file', exitCode: 2 }],
  ])('gives no hash of a whole stream when the snapshot is %s while it is read', async (_, answer) => {
    const bytes = await (await source()).open(ref)
    const disturbed: OpenBytes = {
      ...bytes,
      read: async function* (signal) {
        yield* bytes.read(signal)
        await source({ 'snap ls': answer })
      },
    }
    await expect(hashBytes(disturbed)).rejects.toMatchObject({ code: 'CK-CAPTURE-LOST' })
  })

  it('gives no hash of an image that was resized or replaced while it was read', async () => {
    const info = (id: string, size: number): Answer => json({ id, size })
    const whole = stream(null, 8192).toString('base64')
    for (const after of [info('a1', 16384), info('b2', 8192)]) {
      const bytes = await (
        await source({ info: info('a1', 8192), 'export-diff': { stdout: whole } })
      ).open({ ...ref, snapshotId: null })
      expect(await hashBytes(bytes)).toMatchObject({ sizeBytes: 8192, readBytes: 5 })
      await source({ info: after, 'export-diff': { stdout: whole } })
      await expect(hashBytes(bytes)).rejects.toMatchObject({ code: 'CK-CAPTURE-LOST' })
    }
  })

  it.each<[string, Answer, string]>([
    [
      'no image',
      { stderr: 'rbd: error opening image volume-v: (2) No such file', exitCode: 2 },
      'CK-SOURCE-IMAGE-MISSING',
    ],
    ['no pool', { stderr: "rbd: error opening pool 'volumes': (2) No such", exitCode: 2 }, 'CK-SOURCE-POOL-MISSING'],
    [
      'no rights',
      { stderr: 'rbd: error opening image volume-v: (1) Operation not permitted', exitCode: 1 },
      'CK-SOURCE-DENIED',
    ],
    ['no key', { stderr: 'auth: unable to find a keyring on /k: (2) No such file', exitCode: 2 }, 'CK-SOURCE-KEY'],
    ['a wrong key', { stderr: 'monclient(hunting): handle_auth_bad_method', exitCode: 13 }, 'CK-SOURCE-KEY'],
    [
      'no conf',
      { stderr: 'global_init: unable to open config file from search list /c', exitCode: 1 },
      'CK-SOURCE-CONF',
    ],
    ['no cluster', { stderr: "rbd: couldn't connect to the cluster!", exitCode: 110 }, 'CK-SOURCE-COMMAND'],
    ['no such snapshot', json([{ id: 4, name: 'snapshot-sx', size: 1 }]), 'CK-CAPTURE-LOST'],
    ['no JSON', { stdout: Buffer.from('{').toString('base64') }, 'CK-SOURCE-ANSWER'],
    ['another shape', json([{ id: '4', name: 'snapshot-s' }]), 'CK-SOURCE-ANSWER'],
  ])('tells what is wrong when there is %s', async (_, answer, code) => {
    await expect((await source({ 'snap ls': answer })).open(ref)).rejects.toMatchObject({ code })
  })

  it('is unsure of watchers only where it may not ask', async () => {
    const denied = { stderr: 'rbd: show status failed: (1) Operation not permitted', exitCode: 1 }
    expect(await (await source({ status: denied })).watchers(ref)).toBe('unknown')
    const away = { stderr: "rbd: couldn't connect to the cluster!", exitCode: 110 }
    await expect((await source({ status: away })).watchers(ref)).rejects.toMatchObject({ code: 'CK-SOURCE-COMMAND' })
  })

  it('names the rights that are missing, also for the pools of parents', async () => {
    const denied = { stderr: 'rbd: error opening image volume-v: (1) Operation not permitted', exitCode: 1 }
    await expect((await source({ 'snap ls': denied })).open(ref)).rejects.toMatchObject({
      cure: expect.stringContaining(
        "osd 'allow r class-read pool=volumes, allow r class-read pool=images, allow rwx",
      ) as unknown,
    })
  })
})

function cutStream(bytes: number): string {
  return stream('snapshot-s', 8192).subarray(0, -bytes).toString('base64')
}
