/** Copies as backups of Cinder's own service: every backend that Cinder supports, native restore (design section 7). */
import type { Target } from '../target.js'
import { capacity } from './capacity.js'
import { listCopies } from './list-copies.js'
import { markCopy } from './mark-copy.js'
import { preflight } from './preflight.js'
import { removeCopy } from './remove-copy.js'
import { removeTemporaries } from './remove-temporaries.js'
import { restoreCopy } from './restore-copy.js'
import type { Setting } from './setting.js'
import { verifyCopy } from './verify-copy.js'
import { writeCopy } from './write-copy.js'

export function cinderBackup(setting: Setting): Target {
  return {
    name: setting.name,
    kind: 'cinder-backup',
    queues: { write: 'control', verify: 'move' },
    preflight: async (volume, _context, options = { force: false }) => preflight(setting, volume, options),
    // the base is Cinder's choice
    writeCopy: async (capture, _base, context, options = { force: false }) =>
      writeCopy(setting, capture, context, options),
    verifyCopy: async (copy, capture, context) => verifyCopy(setting, copy, capture, context),
    markCopy: async (copy, mark, context) => markCopy(setting, copy, mark, context),
    restoreCopy: async (copy, destination, context) => restoreCopy(setting, copy, destination, context),
    removeCopy: async (copy, context) => removeCopy(setting, copy, context),
    listCopies: async (volumeId) => listCopies(setting, volumeId),
    removeTemporaries: async (archive, context) => removeTemporaries(setting, archive, context),
    capacity: async () => capacity(setting),
  }
}
