/** Volumes that are RBD images, read through the `rbd` command: it brings the librbd that fits the cluster. */
import { clusterId } from './cluster-id.js'
import { snapshotObject, volumeObject } from './object-names.js'
import type { RbdSourceOptions } from './options.js'
import { openRbdObject } from './rbd-object.js'
import { rbdWatchers } from './rbd-queries.js'
import type { Source } from './source.js'

export function rbdSource(options: RbdSourceOptions): Source {
  return {
    zone: options.zone,
    kind: 'rbd',
    open: async (ref) => {
      const snapshot = ref.rbdSnapshot?.name ?? snapshotObject(ref)
      return openRbdObject(options, { image: volumeObject(ref), snapshot }, ref.rbdSnapshot?.id)
    },
    watchers: async (place) => rbdWatchers(options, volumeObject(place)),
    cluster: async () => clusterId(options),
  }
}
