import type { Copy } from '../targets/target.js'
import type { Deps } from './control-activities.js'
import { withHeartbeat } from './copy-context.js'
import { findTarget } from './find-target.js'

/** More than a volume's workflow keeps (128 KiB); an answer of 2 MB would be refused, and the volume blocked for ever. */
const limitBytes = 256 * 1024

/** What a target holds of a volume, newest first: the second truth, from which a volume's workflow rebuilds. */
export function listCopies({ targets }: Deps) {
  return async ({ volumeId, target }: { volumeId: string; target: string }): Promise<Copy[]> =>
    withHeartbeat(async (context) => newest(await findTarget(targets, target).listCopies(volumeId, context)))
}

/** As many as have room, and the last verified one. */
function newest(copies: Copy[]): Copy[] {
  const sorted = [...copies].sort((a, b) => b.capturedAt.localeCompare(a.capturedAt))
  const lastVerified = sorted.find(({ state }) => state === 'verified')
  let bytes = 0
  return sorted.filter((copy) => {
    bytes += JSON.stringify(copy).length + 1
    return bytes <= limitBytes || copy === lastVerified
  })
}
