/** What `doctor` makes of the words of Ceph's programs; here scripts with answers of our own, in test/lab the real ones. */
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { look, type Look } from './doctor-bench.js'

interface Answer {
  stdout?: string
  stderr?: string
  exitCode?: number
}

let dir: string
let path: string | undefined

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'ck-doctor-ceph-'))
  path = process.env['PATH']
  process.env['PATH'] = `${dir}${delimiter}${path ?? ''}`
  for (const name of ['rbd', 'rados', 'ceph']) {
    const script = `#!${process.execPath}
const answers = JSON.parse(require('fs').readFileSync(${JSON.stringify(join(dir, 'answers.json'))}, 'utf8'))
const args = process.argv.slice(2)
const pool = args[args.indexOf('--pool') + 1]
const answer = answers['${name} ' + pool] ?? answers['${name}'] ?? { stderr: 'not prepared', exitCode: 99 }
require('fs').appendFileSync(${JSON.stringify(join(dir, 'asked'))}, '${name} ' + args.join(' ') + '\\n')
process.stderr.write(answer.stderr ?? '')
process.stdout.write(answer.stdout ?? '', () => { process.exitCode = answer.exitCode ?? 0 })
`
    await writeFile(join(dir, name), script)
    await chmod(join(dir, name), 0o755)
  }
})

afterEach(async () => {
  process.env['PATH'] = path
  await rm(dir, { recursive: true })
})

/** As Ceph 16 writes them. */
const noImage = { stderr: 'rbd: error opening image x: (2) No such file or directory\n', exitCode: 2 }
const wrongKey = {
  stderr:
    '2026 7f80 -1 monclient(hunting): handle_auth_bad_method server allowed_methods [2] but i only support [2]\n' +
    "rbd: couldn't connect to the cluster!\n",
  exitCode: 13,
}
const good: Record<string, Answer> = {
  rbd: noImage,
  rados: { stderr: 'error removing volumes>rbd_data.x: (1) Operation not permitted\n', exitCode: 1 },
  ceph: { stderr: 'Error EACCES: access denied\n', exitCode: 13 },
}

async function ceph(spoilt: Record<string, Answer> = {}): Promise<Look> {
  await writeFile(join(dir, 'answers.json'), JSON.stringify({ ...good, ...spoilt }))
  const source = { match: '*', kind: 'rbd', conf: '/c', user: 'u', pool: 'volumes', parents: ['images'] }
  return look({ config: { sources: [source] }, checks: ['ceph', 'ceph-rights'] })
}

describe('doctor and a Ceph source', () => {
  it('finds nothing wrong with a user who reads and cannot write', async () => {
    const found = await ceph()
    expect([found.of('ceph'), found.of('ceph-rights')]).toEqual([['ok'], ['ok']])
    expect(found.told[0]?.what).toBe('client.u reads volumes and images of the cluster of /c')
  })

  it.each<[string, Record<string, Answer>, string[]]>([
    ['a wrong key', { rbd: wrongKey }, ['fault CK-SOURCE-KEY']],
    [
      'no keyring',
      { rbd: { stderr: 'auth: unable to find a keyring on /k: (2) No such file', exitCode: 2 } },
      ['fault CK-SOURCE-KEY'],
    ],
    [
      'no configuration of the cluster',
      { rbd: { stderr: 'global_init: unable to open config file from search list /c', exitCode: 1 } },
      ['fault CK-SOURCE-CONF'],
    ],
    [
      'a pool that does not exist',
      { 'rbd volumes': { stderr: "rbd: error opening pool 'volumes': (2) No such file or directory", exitCode: 2 } },
      ['fault CK-SOURCE-POOL-MISSING'],
    ],
    [
      "parents' pools that may not be read",
      { 'rbd images': { stderr: 'rbd: error opening image x: (1) Operation not permitted\n', exitCode: 1 } },
      ['fault CK-SOURCE-DENIED'],
    ],
  ])('names %s', async (_, spoilt, findings) => {
    const found = await ceph(spoilt)
    expect(found.of('ceph')).toEqual(findings)
    expect(found.told[0]?.cure).not.toBeNull()
  })

  it('does not ask what a user may do who is not even let in', async () => {
    expect((await ceph({ rbd: wrongKey })).of('ceph-rights')).toEqual(['skipped'])
  })

  it("names a user who can write tenants' data", async () => {
    const gone = { stderr: 'error removing volumes>rbd_data.x: (2) No such file or directory\n', exitCode: 1 }
    const found = await ceph({ 'rados volumes': gone })
    expect(found.of('ceph-rights')).toEqual(['warning CK-RIGHTS-TOO-MANY'])
    expect(found.told.at(-1)?.what).toContain("may write and delete the data of tenants' volumes (volumes of")
  })

  it('names a user who can read keys, and shows no key', async () => {
    const answer = [{ entity: 'client.u', key: 'AQD-secret-key', caps: { mon: 'allow *', osd: 'allow *' } }]
    const found = await ceph({ ceph: { stdout: JSON.stringify(answer), stderr: 'exported keyring for client.u' } })
    expect(found.of('ceph-rights')).toEqual(['warning CK-RIGHTS-TOO-MANY'])
    expect(found.told.at(-1)?.what).toContain("(mon 'allow *')")
    expect(JSON.stringify(found.told)).not.toContain('AQD')
    const garbled = await ceph({ ceph: { stdout: 'key = AQD-secret-key' } })
    expect(garbled.of('ceph-rights')).toEqual(['warning CK-SOURCE-ANSWER'])
    expect(JSON.stringify(garbled.told)).not.toContain('AQD')
  })

  it('names a program that is not installed', async () => {
    process.env['PATH'] = join(dir, 'nothing')
    const found = await ceph()
    expect(found.of('ceph')).toEqual(['fault CK-SOURCE-COMMAND-MISSING'])
  })
})
