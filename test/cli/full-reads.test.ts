import { expect, it } from 'vitest'
import { fullReads } from '../../cli/full-reads.js'
import type { Sources } from '../../source/source.js'

const targets = new Map([
  ['second', { reads: 'source' as const }],
  ['cinder', {}],
])
const sources = {
  find: (host: string | null) => (host === null ? undefined : { kind: host === 'c@ceph#p' ? 'rbd' : 'file' }),
} as unknown as Sources
const hosts = new Map([
  ['v1', 'c@ceph#p'],
  ['v2', 'c@files#p'],
])

function warnings(copies: string[], volumes: string[]): string[] {
  const policy = { copies: copies.map((target) => ({ target })) }
  const protects = volumes.map((id) => ({ volume: { id, name: `name-${id}` } }))
  return fullReads({ policy, protects } as unknown as Parameters<typeof fullReads>[0], targets, sources, hosts)
}

it('nothing is said where we take the snapshots, or no target could do with less', () => {
  expect(warnings(['second'], ['v1'])).toEqual([])
  expect(warnings(['cinder'], ['v1', 'v2'])).toEqual([])
})

it('a policy with a target that needs a snapshot of Cinder’s makes all its copies full reads', () => {
  expect(warnings(['second', 'cinder'], ['v1'])).toEqual([
    expect.stringMatching(/^Copies on second are full reads, .*: cinder of the same policy needs it\.$/),
  ])
})

it('so does a volume that no source of kind rbd serves', () => {
  expect(warnings(['second'], ['v1', 'v2', 'v3'])).toEqual([
    expect.stringMatching(/^Copies on second of 2 of its volumes \(name-v2, …\) are full reads, .*serves them\.$/),
  ])
})
