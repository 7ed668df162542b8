import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { match } from '../../policy/match.js'
import { fits } from '../../policy/patterns.js'
import { select } from '../../policy/select.js'
import { installation, policy, volumeFacts } from './volume-facts.js'
import type { VolumeFacts, Where } from '../../policy/policy.js'

const word = fc.constantFrom('a', 'b', 'ab', 'db-data', 'scratch-1')
const anyVolume: fc.Arbitrary<VolumeFacts> = fc.record({
  id: fc.uuid(),
  name: word,
  projectId: word,
  projectName: fc.option(word),
  type: fc.option(word),
  sizeGib: fc.nat(5),
  status: fc.constantFrom('available', 'in-use'),
  metadata: fc.dictionary(word, word),
  migrationStatus: fc.option(fc.constantFrom('success', 'error', 'migrating', 'starting', 'completing')),
  createdAt: fc.constant('2026-01-01T00:00:00Z'),
  updatedAt: fc.constant(null),
  servers: fc.array(fc.record({ id: word, name: fc.option(word) }), { maxLength: 2 }),
})
const condition = fc.record(
  {
    project: fc.array(word, { minLength: 1 }),
    type: fc.array(word, { minLength: 1 }),
    name: fc.array(fc.constantFrom('*', 'a*', '?', 'db-*', 'scratch-*'), { minLength: 1 }),
    metadata: fc.dictionary(word, word),
    server: fc.array(fc.constantFrom('a', 'db-*', '*'), { minLength: 1 }),
    size: fc.record({ atLeastGib: fc.nat(5), atMostGib: fc.nat(5) }, { requiredKeys: [] }),
  },
  { requiredKeys: [] },
)
const where = fc.record({ own: condition, exclude: fc.option(condition) }).map(({ own, exclude }): Where => {
  return exclude === null ? own : { ...own, exclude }
})
const policies = fc.array(where, { maxLength: 6 }).map((all) => all.map((one, i) => policy(`p${i}`, { where: one })))

describe('select', () => {
  it('takes the first policy in file order that matches, and names all later ones that match as shadowed', () => {
    fc.assert(
      fc.property(anyVolume, policies, (volume, all) => {
        const matching = all.filter((one) => match(volume, one.where).matches).map((one) => one.name)
        const { policy: selected, shadows, reasons } = select(volume, all, installation)
        expect(selected?.name ?? null).toBe(matching[0] ?? null)
        expect(shadows).toEqual(matching.slice(1))
        expect(reasons).toHaveLength(Math.max(all.length, 1))
        for (const reason of reasons) expect(reason).toMatch(/^[A-Z].*\.$/)
      }),
    )
  })

  it('never selects what archiving itself makes, whatever the policies say', () => {
    const uuid = '0b3f4c1e-7a53-4f0e-9a1c-3a9d0a7d1c11'
    const never: [Partial<VolumeFacts>, RegExp][] = [
      [{ metadata: { 'ck:installation': installation } }, /this installation/],
      [{ metadata: { 'ck:installation': uuid } }, /another Cinderkeep installation/],
      [{ name: `ck-${uuid}-verify-cinder` }, /temporary volume of Cinderkeep/],
      [{ name: `backup-vol-${uuid}` }, /Cinder's own backups/],
      [{ name: `image-${uuid}`, metadata: { glance_image_id: uuid } }, /image cache/],
      [{ projectId: 'internal' }, /internal project/],
      [{ migrationStatus: `target:${uuid}` }, /destination of a migration of volume 0b3f4c1e/],
      [{ migrationStatus: 'deleting' }, /about to be deleted/],
    ]
    for (const [change, because] of never) {
      fc.assert(
        fc.property(anyVolume, policies, (volume, all) => {
          const selection = select({ ...volume, ...change }, [...all, policy('all')], installation, 'internal')
          expect(selection.policy).toBeNull()
          expect(selection.neverBecause).toMatch(because)
        }),
        { numRuns: 20 },
      )
    }
  })

  it('protects a volume onto which Cinder restored a copy of ours, marks and all', () => {
    const temporary = '0b3f4c1e-7a53-4f0e-9a1c-3a9d0a7d1c11'
    const restored = {
      name: `ck-${temporary}-cinder-temp`,
      metadata: { 'ck:installation': installation, 'ck:self': temporary },
    }
    fc.assert(
      fc.property(anyVolume, (volume) => {
        const mine = select(
          { ...volume, migrationStatus: null, ...restored, projectId: 'p' },
          [policy('all')],
          installation,
        )
        expect(mine.policy?.name).toBe('all')
        const itself = select({ ...volume, ...restored, id: temporary }, [policy('all')], installation)
        expect(itself.policy).toBeNull()
      }),
      { numRuns: 20 },
    )
  })

  it("protects a tenant's own volume before, while and after it is migrated", () => {
    for (const migrationStatus of [null, 'starting', 'migrating', 'completing', 'success', 'error', 'none']) {
      expect(select(volumeFacts({ migrationStatus }), [policy('all')], installation).policy?.name).toBe('all')
    }
  })

  it('protects what merely looks like a temporary volume', () => {
    for (const name of ['ck-database', 'image-of-the-year', 'my-backup-vol-1']) {
      expect(select(volumeFacts({ name }), [policy('all')], installation).policy?.name).toBe('all')
    }
    const image = volumeFacts({ name: 'image-0b3f4c1e-7a53-4f0e-9a1c-3a9d0a7d1c11' })
    expect(select(image, [policy('all')], installation).policy?.name).toBe('all')
  })

  it('says which part of a policy did not fit', () => {
    const where: Where = { project: ['payments'], metadata: { archive: 'gold' } }
    const { reasons } = select(
      volumeFacts({ metadata: { archive: 'silver' } }),
      [policy('gold', { where })],
      installation,
    )
    expect(reasons).toEqual(['Policy gold does not protect it: its metadata archive is "silver", not "gold".'])
  })
})

describe('match', () => {
  const matches = (change: Partial<VolumeFacts>, where: Where) => match(volumeFacts(change), where).matches

  it('finds a project by its id and by its name, and by no other name', () => {
    expect(matches({}, { project: ['payments'] })).toBe(true)
    expect(matches({}, { project: ['other', volumeFacts().projectId] })).toBe(true)
    expect(matches({}, { project: ['other'] })).toBe(false)
    expect(match(volumeFacts({ projectName: null }), { project: ['payments'] }).because).toMatch(/name is not known/)
  })

  it('asks for every key of metadata, and takes wildcards in values', () => {
    const metadata = { archive: 'gold', tier: '1' }
    expect(matches({ metadata }, { metadata: { archive: 'gold', tier: '*' } })).toBe(true)
    expect(matches({ metadata }, { metadata: { archive: 'gold', owner: '*' } })).toBe(false)
    expect(matches({ metadata: {} }, { metadata: { constructor: '*' } })).toBe(false)
  })

  it('counts both limits of size in', () => {
    const size = { atLeastGib: 10, atMostGib: 20 }
    expect([9, 10, 20, 21].map((sizeGib) => matches({ sizeGib }, { size }))).toEqual([false, true, true, false])
  })

  it('excludes only what fits every part of exclude', () => {
    const where: Where = { exclude: { name: ['scratch-*'], project: ['payments'] } }
    expect(matches({ name: 'scratch-1' }, where)).toBe(false)
    expect(matches({ name: 'scratch-1', projectName: 'other' }, where)).toBe(true)
    expect(matches({}, where)).toBe(true)
  })
})

describe('a project whose name is not known', () => {
  const hidden = volumeFacts({ projectName: null })
  const id = hidden.projectId
  const another = 'b'.repeat(32)
  const undecided = (...conditions: Where[]) =>
    select(hidden, [...conditions.map((one, i) => policy(`p${i}`, { where: one })), policy('last')], installation)
      .undecided

  it('leaves open what hangs on it, and nothing else', () => {
    expect(undecided({ project: ['payments'] })).toEqual(['p0'])
    expect(undecided({ project: ['payments', another] })).toEqual(['p0'])
    expect(undecided({ exclude: { project: ['payments'], name: ['db-*'] } })).toEqual(['p0'])
    expect(undecided({ project: [another] })).toEqual([])
    expect(undecided({ project: ['payments'], name: ['web-*'] })).toEqual([])
    expect(undecided({ project: ['payments'], exclude: { name: ['db-*'] } })).toEqual([])
    expect(undecided({ exclude: { project: ['payments'], name: ['web-*'] } })).toEqual([])
  })

  it('is matched by its id, and only policies before the one that protects the volume matter', () => {
    expect(undecided({ project: ['payments', id] }, { project: ['research'] })).toEqual([])
    expect(undecided({ project: ['research'] }, { project: [id] })).toEqual(['p0'])
  })
})

describe('fits', () => {
  it('agrees with the regular expression that says the same', () => {
    const signs = fc.array(fc.constantFrom('a', 'b', '.', '*', '?'), { maxLength: 8 }).map((all) => all.join(''))
    const text = fc.array(fc.constantFrom('a', 'b', '.'), { maxLength: 8 }).map((all) => all.join(''))
    fc.assert(
      fc.property(text, signs, (value, pattern) => {
        const expression = pattern.replaceAll('.', '\\.').replaceAll('*', '.*').replaceAll('?', '.')
        expect(fits(value, pattern)).toBe(new RegExp(`^${expression}$`).test(value))
      }),
      { numRuns: 1000 },
    )
  })
})

describe('a policy for servers', () => {
  const because = (servers: VolumeFacts['servers'], where: Where) => match(volumeFacts({ servers }), where)

  it('takes what one of them has attached: by the id, or by a pattern for the name', () => {
    const servers = [
      { id: 's-1', name: 'web-1' },
      { id: 's-2', name: 'db-2' },
    ]
    expect(because(servers, { server: ['db-*'] })).toEqual({
      matches: true,
      because: 'server "db-2" (db-*) has it attached',
    })
    expect(because(servers, { server: ['s-1'] }).matches).toBe(true)
    expect(because(servers, { server: ['s-?'] })).toEqual({
      matches: false,
      because: 'it is attached to "web-1", "db-2", not to "s-?"',
    })
    expect(because([{ id: 's-1', name: null }], { server: ['web-*'] }).because).toBe(
      'it is attached to s-1 (whose name is not known), not to "web-*"',
    )
  })

  it('takes no detached volume, not even with *', () => {
    expect(because([], { server: ['*'] })).toEqual({
      matches: false,
      because: 'no server has it attached, and "*" is asked for',
    })
    expect(because([], { exclude: { server: ['*'] } }).matches).toBe(true)
  })
})
