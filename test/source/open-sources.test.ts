import { describe, expect, it } from 'vitest'
import { openSources } from '../../source/open-sources.js'
import { sourcesOptions } from '../../source/options.js'

const rbd = { match: '*@ceph#*', kind: 'rbd', conf: '/etc/ceph/prod.conf', user: 'cinderkeep', pool: 'volumes' }
const file = { match: '*@files#?ool', kind: 'file', dir: '/srv/volumes', zone: 'far' }

describe('openSources', () => {
  it('serves a volume from the first source whose pattern fits its whole host', () => {
    const sources = openSources(sourcesOptions.parse([rbd, file, { ...file, match: '*', zone: 'rest' }]))
    expect(sources.find('a@ceph#ceph')).toMatchObject({ kind: 'rbd', zone: 'default' })
    expect(sources.find('a@files#pool')).toMatchObject({ kind: 'file', zone: 'far' })
    expect(sources.find('a@files#carpool')).toMatchObject({ zone: 'rest' })
    expect(sources.find('a@cephX')).toMatchObject({ zone: 'rest' })
    expect(sources.find('a@CEPH#x')).toMatchObject({ zone: 'rest' })
  })

  it('serves no volume whose host is unknown or fits no pattern', () => {
    const sources = openSources(sourcesOptions.parse([{ ...rbd, match: 'a.b+(c)@*' }]))
    expect(sources.find(null)).toBeUndefined()
    expect(sources.find('aXb+(c)@ceph')).toBeUndefined()
    expect(sources.find('a.b+(c)@ceph')).toBeDefined()
    const exact = openSources(sourcesOptions.parse([{ ...rbd, match: 'b@ceph' }]))
    expect(exact.find('b@ceph')).toBeDefined()
    expect(exact.find('b@ceph#pool')).toBeUndefined()
    expect(exact.find('ab@ceph')).toBeUndefined()
    expect(openSources(sourcesOptions.parse(undefined)).find('x')).toBeUndefined()
  })
})

describe('sources options', () => {
  it('fills in what may be left out', () => {
    expect(sourcesOptions.parse([rbd])).toEqual([{ ...rbd, parents: [], wholeObject: 'never', zone: 'default' }])
  })

  it.each([
    ['an unknown kind', { ...rbd, kind: 'nfs' }],
    ['an option of another kind', { ...rbd, dir: '/srv' }],
    ['a user with its prefix', { ...rbd, user: 'client.cinderkeep' }],
    ['a pool that names an image', { ...rbd, pool: 'volumes/x' }],
    ['a pool that looks like an option', { ...rbd, pool: '--help' }],
    ['a relative directory', { ...file, dir: 'volumes' }],
    ['an empty pattern', { ...file, match: '' }],
    ['a zone that is no queue name', { ...file, zone: 'a b' }],
  ])('refuses %s', (_, entry) => {
    expect(sourcesOptions.safeParse([entry]).success).toBe(false)
  })
})
