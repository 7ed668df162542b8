import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ConfigError, faultLine } from '../../config/config-error.js'
import { jsonSchema } from '../../config/json-schema.js'
import { loadConfig, parseConfig } from '../../config/load.js'
import { optionsDoc } from '../../config/options-doc.js'
import { starterFile } from '../../config/starter-file.js'
import { toPolicies } from '../../policy/options.js'

const id = '3f0c8a52-6a0e-4b6a-9a51-2f3f6f1f0f01'
const good = `installation: ${id}
targets:
  vault: {kind: cinder-backup}
  cinder: {kind: cinder-backup}
policies:
  databases:
    copies:
      - {target: cinder}
`

/** The lines that a file's faults are told in. */
function faultsOf(text: string): string[] {
  try {
    parseConfig('cinderkeep.yaml', text)
    return []
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    return error.faults.map((fault) => faultLine('cinderkeep.yaml', fault))
  }
}

/** The good file with one of its texts replaced; the one fault that this makes. */
function faultOf(before: string, after: string): string {
  expect(good).toContain(before)
  const faults = faultsOf(good.replace(before, after))
  expect(faults).toHaveLength(1)
  return faults[0] ?? ''
}

describe('a fault', () => {
  it('has the line, the path as written, the value, what was expected, and the nearest right word', () => {
    expect(faultOf('target: cinder', 'target: cindr')).toBe(
      'cinderkeep.yaml:8  policies.databases.copies[0].target: "cindr" is no target; targets are vault, cinder; did you mean "cinder"?',
    )
  })

  it('is an unknown key, with the keys that are known there', () => {
    expect(faultOf('cinder: {kind: cinder-backup}', 'cinder: {kind: cinder-backup, drver: ceph}')).toBe(
      'cinderkeep.yaml:4  targets.cinder.drver: no such option; options here are kind, driver, container, chain, restoreRetrySeconds, permits; did you mean "driver"?',
    )
  })

  it('is a key that stands twice', () => {
    expect(faultOf('policies:', 'log: info\nlog: warn\npolicies:')).toBe(
      'cinderkeep.yaml:6  log: stands twice in the same map',
    )
  })

  it('is a name that would be dropped without a word', () => {
    expect(faultOf('databases:', '__proto__:')).toBe(
      'cinderkeep.yaml:6  policies.__proto__: is no name that can be used here',
    )
    expect(faultOf('    copies:', '    where: {metadata: {__proto__: x, archive: gold}}\n    copies:')).toBe(
      'cinderkeep.yaml:7  policies.databases.where.metadata.__proto__: is no name that can be used here',
    )
  })

  it('is a value of the wrong kind, out of a list, or missing', () => {
    expect(faultOf('kind: cinder-backup}\n  cinder', 'kind: cinder-bakup}\n  cinder')).toMatch(
      /^cinderkeep.yaml:3 {2}targets.vault.kind: "cinder-bakup", expected one of cinder-backup, .*did you mean "cinder-backup"\?$/,
    )
    expect(faultOf('{target: cinder}', '{target: 3}')).toBe(
      'cinderkeep.yaml:8  policies.databases.copies[0].target: 3, expected a text',
    )
    expect(faultOf(`installation: ${id}`, 'log: info')).toMatch(
      /^cinderkeep.yaml:1 {2}installation: missing, expected a UUID/,
    )
    expect(faultOf('    copies:\n      - {target: cinder}', '    copies: []')).toBe(
      'cinderkeep.yaml:7  policies.databases.copies: a list, expected at least 1 entry',
    )
  })

  it('is an event that is none', () => {
    expect(faultOf('    copies:', '    on: [volume.detatch.end]\n    copies:')).toMatch(
      /^cinderkeep.yaml:7 {2}policies.databases.on\[0\]: "volume.detatch.end", expected one of .*; did you mean "volume.detach.end"\?$/,
    )
  })

  it('is every option whose capability does not exist yet', () => {
    for (const option of ['keep: {last: 3}', 'prove: 30d']) {
      expect(faultOf('    copies:', `    ${option}\n    copies:`)).toMatch(
        /^cinderkeep.yaml:7 {2}.*not available yet: /,
      )
    }
    for (const option of ['keep: {daily: 7}', 'prove: 30d']) {
      expect(faultOf('target: cinder', `target: cinder, ${option}`)).toMatch(/:8 {2}.*not available yet: /)
    }
    for (const kind of ['vault', 'tape']) {
      expect(faultOf('vault: {kind: cinder-backup}', `vault: {kind: ${kind}}`)).toMatch(
        /:3 {2}targets.vault.kind: .*not available yet: /,
      )
    }
  })

  it('is a schedule that cron and Temporal would read differently, or that is none', () => {
    const every = (value: string) => faultOf('    copies:', `    every: ${value}\n    copies:`)
    expect(every('"0 0 1 * MON"')).toMatch(/policies.databases.every: "0 0 1 \* MON" has both a day of the month and/)
    expect(every('"@daily"')).toMatch(/every: "@daily", write it as five fields/)
    expect(every('"0 0 0 * * *"')).toMatch(/every: .*seconds and years cannot be given/)
    expect(every('"61 * * * *"')).toMatch(/every: "61 \* \* \* \*", the minute "61" is not of 0–59/)
    expect(every('6h')).toMatch(/every: "6h", expected five fields/)
    expect(every('6')).toMatch(/every: 6, expected five fields of cron in quotes/)
  })

  it('is a time zone or a window that is none', () => {
    const option = (text: string) => faultOf('    copies:', `    ${text}\n    copies:`)
    expect(option('timezone: europe/zurich')).toMatch(
      /timezone: "europe\/zurich" is no time zone .*; did you mean "Europe\/Zurich"\?$/,
    )
    expect(option('timezone: Zurich')).toMatch(/did you mean "Europe\/Zurich"\?$/)
    expect(option('timezone: "+01:00"')).toMatch(/is no time zone .*expected an IANA name/)
    expect(option('timezone: Mars/Olympus')).toMatch(/is no time zone/)
    expect(option('window: night')).toMatch(/window: "night", expected a time of day such as 22:00-06:00/)
    expect(option('window: "10:00-10:00"')).toMatch(/from and to differ/)
    expect(faultOf('target: cinder', 'target: cinder, force: {maxSize: 1GiB, window: night}')).toMatch(
      /:8 {2}.*force.window: "night", expected a time of day/,
    )
  })

  it('is a limit below one, and a reconcile that would never rest', () => {
    expect(faultOf('    copies:', '    permits: 0\n    copies:')).toMatch(/permits: 0, expected at least 1/)
    expect(faultOf('cinder: {kind: cinder-backup}', 'cinder: {kind: cinder-backup, permits: 1.5}')).toMatch(
      /targets.cinder.permits: 1.5, expected a whole number/,
    )
    expect(faultOf('targets:', 'reconcile: 30s\ntargets:')).toMatch(/reconcile: "30s", expected at least 1m/)
  })

  it('is a force copy where it could do harm', () => {
    const force = (on: string) =>
      faultOf(
        '    copies:\n      - {target: cinder}',
        `    on: [${on}]\n    copies: [{target: cinder, force: {maxSize: 1GiB}}]`,
      )
    expect(force('volume.create.end')).toMatch(/copies\[0\].force: .*may not follow volume.create.end/)
    expect(force('volume.detach.end, volume.update.end')).toMatch(/may not follow volume.detach.end/)
  })

  it('is told together with all others, in the order of the file', () => {
    const faults = faultsOf(`installation: x\nlog: loud\ntargets: {}\npolicies: {a: {copies: [{target: b}]}, c: 3}\n`)
    expect(faults.map((fault) => fault.split('  ')[0])).toEqual([1, 2, 4, 4].map((line) => `cinderkeep.yaml:${line}`))
  })

  it('is text that is no YAML, an alias of nothing, and an empty file', () => {
    expect(faultsOf('installation: [')[0]).toMatch(/^cinderkeep.yaml:1 {2}is no YAML: /)
    expect(faultsOf('installation: *nothing')).toHaveLength(1)
    expect(faultsOf('')).toEqual([expect.stringMatching(/installation: missing/)])
  })

  it('is a tag, whose value would be taken for a text', () => {
    expect(faultOf('policies:', 'temporal: {namespace: !env NAMESPACE}\npolicies:')).toMatch(
      /^cinderkeep.yaml:5 {2}has a tag/,
    )
  })

  it('is a condition that fits all volumes, or none', () => {
    const where = (condition: string) => faultOf('    copies:', `    where: ${condition}\n    copies:`)
    expect(where('{metadata: {}}')).toMatch(/:7 {2}policies.databases.where.metadata: expected at least one key/)
    expect(where('{exclude: {metadata: {}}}')).toMatch(/where.exclude.metadata: expected at least one key/)
    expect(where('{size: {}}')).toMatch(/where.size: expected atLeast or atMost/)
    expect(where('{size: {atLeast: 2TiB, atMost: 10GiB}}')).toMatch(/where.size: no volume can fit/)
  })

  it('is a value of metadata that YAML reads as something else than is written', () => {
    const where = (value: string) => `where: {metadata: {archive: ${value}}, exclude: {metadata: {archive: ${value}}}}`
    for (const value of ['True', '007', '1.10', '0x10']) {
      const faults = faultsOf(good.replace('    copies:', `    ${where(value)}\n    copies:`))
      expect(faults).toEqual([
        expect.stringMatching(/:7 {2}policies.databases.where.metadata.archive: .* put it in quotes$/),
        expect.stringMatching(/:7 {2}policies.databases.where.exclude.metadata.archive: .* put it in quotes$/),
      ])
      expect(faults[0]).toContain(`${value} is read as `)
    }
    for (const value of ['true', '7', 'yes', "'True'", '"007"']) {
      expect(faultsOf(good.replace('    copies:', `    ${where(value)}\n    copies:`))).toEqual([])
    }
  })

  it('is a pace that would never notice a death, or never finish', () => {
    for (const option of ['heartbeat: 0', 'firstRetry: 1ms', 'captureMaxAge: 0']) {
      expect(faultOf('policies:', `pace: {${option}}\npolicies:`)).toMatch(/:5 {2}pace\.\w+: .*expected at least/)
    }
  })

  it('never holds a secret', () => {
    const texts = [
      'listen: {url: "amqp:/user:hunter2@mq"}',
      'listen: {url: "user:hunter2@mq"}',
      "listen: {url: 'rabbit://user:x y\"hunter2@mq'}",
      `listen: {url: "rabbit://user:hunter2${'x'.repeat(150)}@mq"}`,
      'listen: {url: "http://user:hunter2@mq"}',
      'listen: "amqp://user:hunter2@mq"',
      'temporal: {apiKey: hunter2}',
      'temporal: {apiKeyFile: {secret: hunter2}}',
      'password: hunter2',
      'listen: {url: amqp://mq, password: [hunter2',
    ]
    for (const text of texts) {
      const faults = faultsOf(`${good}${text}\n`)
      expect(faults.length).toBeGreaterThan(0)
      expect(faults.join('\n')).not.toContain('hunter2')
    }
  })
})

describe('a good file', () => {
  it('has its defaults filled in, and its policies in the order of the file', () => {
    const options = parseConfig('x', good.replace('  databases:', '  zebra: {copies: [{target: vault}]}\n  databases:'))
    expect(Object.keys(options.policies)).toEqual(['zebra', 'databases'])
    expect(options.policies['databases']).toMatchObject({
      protect: 'volumes',
      on: [],
      settle: 30,
      consistency: { prefer: ['detached', 'crash'], require: 'crash' },
    })
    expect(options.pace).toEqual({ heartbeat: 60, firstRetry: 15, captureMaxAge: 604_800, unclear: 120 })
  })

  it('reads sizes and durations as people write them', () => {
    const policy = 'a: {settle: 1h30m, where: {size: {atLeast: 512MiB, atMost: 2TiB}}, copies: [{target: cinder}]}'
    const { policies } = parseConfig('x', good.replace('  databases:', `  ${policy}\n  databases:`))
    expect(policies['a']).toMatchObject({ settle: 5400, where: { size: { atLeast: 0.5, atMost: 2048 } } })
  })

  it('reads schedules, windows and limits', () => {
    const options = 'every: "0  */6 * * *", timezone: US/Eastern, window: 22:00-06:00, permits: 2, rpo: 8h'
    const force = 'force: {maxSize: 1GiB, window: "01:00-02:00"}'
    const where = 'where: {server: "db-*"}'
    const policy = `a: {${options}, ${where}, copies: [{target: cinder, ${force}}]}`
    const parsed = parseConfig('x', good.replace('  databases:', `  ${policy}\n  databases:`))
    expect(toPolicies(parsed.policies)[0]).toMatchObject({
      ...{
        every: '0 */6 * * *',
        timezone: 'US/Eastern',
        window: { from: 1320, to: 360 },
        permits: 2,
        rpoSeconds: 28_800,
      },
      ...{ where: { server: ['db-*'] }, copies: [{ target: 'cinder', force: { window: { from: 60, to: 120 } } }] },
    })
    expect(toPolicies(parsed.policies)[1]).toMatchObject({
      ...{ every: null, timezone: 'UTC', window: null, permits: null, rpoSeconds: null },
    })
    expect(parsed.reconcile).toBe(900)
  })

  it('is what config init writes', () => {
    expect(faultsOf(starterFile(id))).toEqual([])
  })
})

describe('loadConfig', () => {
  let cwd: string
  beforeAll(async () => {
    cwd = await mkdtemp(join(tmpdir(), 'ck-config-'))
    await writeFile(join(cwd, 'cinderkeep.yaml'), good)
    await writeFile(join(cwd, 'other.yaml'), good.replace(/^/, 'cloud: other\n'))
  })
  afterAll(async () => {
    await rm(cwd, { recursive: true })
  })

  it('takes --config before CINDERKEEP_CONFIG before ./cinderkeep.yaml', async () => {
    expect(await loadConfig({ env: {}, cwd })).toMatchObject({ path: 'cinderkeep.yaml', cloud: null })
    expect(await loadConfig({ env: { CINDERKEEP_CONFIG: 'other.yaml' }, cwd })).toMatchObject({ cloud: 'other' })
    const env = { CINDERKEEP_CONFIG: 'other.yaml' }
    expect(await loadConfig({ path: 'cinderkeep.yaml', env, cwd })).toMatchObject({ cloud: null })
  })

  it('says where it looked', async () => {
    await expect(loadConfig({ path: 'none.yaml', env: {}, cwd })).rejects.toThrow('none.yaml  there is no such file')
    await expect(loadConfig({ env: {}, cwd: tmpdir() })).rejects.toThrow(
      /looked at .*cinderkeep.yaml and \/etc\/cinderkeep/,
    )
  })

  it('takes the broker from AMQP_URL', async () => {
    expect((await loadConfig({ env: { AMQP_URL: 'amqp://mq' }, cwd })).listen.url).toBe('amqp://mq')
    expect((await loadConfig({ env: {}, cwd })).listen.url).toBeUndefined()
  })
})

describe('the documents', () => {
  it('docs/options.md is what the schemas say (node dist/config/write-options-doc.js writes it)', async () => {
    expect(await readFile(new URL('../../docs/options.md', import.meta.url), 'utf8')).toBe(optionsDoc())
  })

  it('the JSON Schema describes every option at the top', () => {
    const { properties } = jsonSchema() as { properties: Record<string, { description?: string }> }
    expect(Object.keys(properties)).toContain('policies')
    for (const [name, { description }] of Object.entries(properties))
      expect([name, description]).not.toContain(undefined)
  })
})
