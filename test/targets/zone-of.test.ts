import { describe, expect, it } from 'vitest'
import { zonesOf } from '../../cli/zones-of.js'
import { sourcesOptions } from '../../source/options.js'
import { openSources } from '../../source/open-sources.js'
import { openTargets } from '../../targets/open-targets.js'
import { targetsOptions } from '../../targets/options.js'
import { silentLog } from '../../log/log.js'

const file = (zone: string) => ({ match: `*@${zone}#*`, kind: 'file' as const, dir: '/srv', zone })
const ceph = {
  ...{ kind: 'ceph', conf: '/etc/ceph/dr.conf', users: { write: 'w', remove: 'r' }, pool: 'archives' },
  macKey: { file: '/etc/cinderkeep/mac.key' },
}

function config(zones: string[], targets: Record<string, unknown>) {
  return { sources: sourcesOptions.parse(zones.map(file)), targets: targetsOptions.parse(targets) }
}

/** The zones that the opened targets say. */
function zonesOfTargets({ sources, targets }: ReturnType<typeof config>) {
  const opened = openTargets(targets, {
    ...{ cinder: undefined as never, sources: openSources(sources), installation: 'x', log: silentLog },
  })
  return Object.fromEntries([...opened].map(([name, { zone }]) => [name, zone]))
}

describe('the zone of a target', () => {
  it('is that of all sources, where they have but one', () => {
    expect(zonesOfTargets(config(['east', 'east'], { far: ceph, cinder: { kind: 'cinder-backup' } }))).toEqual({
      far: 'east',
      cinder: undefined,
    })
  })

  it('is the default zone without sources, or with several zones', () => {
    expect(zonesOfTargets(config([], { far: ceph }))).toEqual({ far: 'default' })
    expect(zonesOfTargets(config(['east', 'north'], { far: ceph }))).toEqual({ far: 'default' })
  })

  it('is what its options say before all', () => {
    expect(zonesOfTargets(config(['east'], { far: { ...ceph, zone: 'west' } }))).toEqual({ far: 'west' })
  })
})

describe('the zones that need movers', () => {
  it('are those of sources, and of targets that only movers reach', () => {
    const far = { ...ceph, zone: 'west' }
    expect(zonesOf(config(['east', 'north'], { far, cinder: { kind: 'cinder-backup' } }))).toEqual([
      'east',
      'north',
      'west',
    ])
    expect(zonesOf(config(['east'], { far: ceph }))).toEqual(['east'])
    expect(zonesOf(config([], {}))).toEqual(['default'])
  })
})
