/** Copies in a pool of another Ceph cluster: an RBD image per volume, an RBD snapshot per copy (design section 7). */
import type { Target } from '../target.js'
import { capacity, preflight } from './capacity.js'
import { listCopies } from './list-copies.js'
import { markCopy } from './mark-copy.js'
import { removeCopy } from './remove-copy.js'
import { removeTemporaries } from './remove-temporaries.js'
import { restoreCopy } from './restore-copy.js'
import type { CephSetting } from './setting.js'
import { verifyCopy } from './verify-copy.js'
import { writeCopy } from './write-copy.js'

export function cephTarget(setting: CephSetting): Target {
  return {
    name: setting.name,
    kind: 'ceph',
    queues: { write: 'move', verify: 'move' },
    reads: 'source',
    preflight: async (_volume, { signal }) => preflight(setting, signal),
    // the base is what lies on the target, verified, and still has its RBD snapshot on the source
    writeCopy: async (capture, _base, context) => writeCopy(setting, capture, context),
    // the capture was read once, when its tree was made: that is what the copy is compared with
    verifyCopy: async (copy, _capture, context) => verifyCopy(setting, copy, context),
    markCopy: async (copy, mark, context) => markCopy(setting, copy, mark, context),
    restoreCopy: async (copy, destination, context) => restoreCopy(setting, copy, destination, context),
    removeCopy: async (copy, context) => removeCopy(setting, copy, context),
    listCopies: async (volumeId, context) => listCopies(setting, volumeId, context),
    removeTemporaries: async (archive, context) => removeTemporaries(setting, archive, context),
    capacity: async () => capacity(setting),
  }
}
