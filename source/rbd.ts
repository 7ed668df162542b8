/** Volumes that are RBD images, read through the `rbd` command: it brings the librbd that fits the cluster. */
import { snapshotObject, volumeObject } from './object-names.js'
import type { RbdSourceOptions } from './options.js'
import { openRbdObject } from './rbd-object.js'
import { rbdWatchers } from './rbd-queries.js'
import type { BytesRef, RbdPlace, Source } from './source.js'

export function rbdSource(options: RbdSourceOptions): Source {
  function locate(ref: BytesRef): RbdPlace {
    const object = { image: volumeObject(ref), snapshot: ref.rbdSnapshot?.name ?? snapshotObject(ref) }
    return { access: options, object, id: ref.rbdSnapshot?.id, wholeObjectFrom: wholeObjectFrom(options) }
  }
  return {
    zone: options.zone,
    kind: 'rbd',
    locate,
    open: async (ref) => {
      const { object, id } = locate(ref)
      return openRbdObject(options, object, id)
    },
    watchers: async (place) => rbdWatchers(options, volumeObject(place)),
  }
}

function wholeObjectFrom({ wholeObject }: RbdSourceOptions): number {
  if (wholeObject === 'never') return Infinity
  return wholeObject === 'always' ? 0 : wholeObject
}
