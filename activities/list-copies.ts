import type { Copy } from '../targets/target.js'
import { withHeartbeat } from './copy-context.js'
import { findTarget } from './find-target.js'
import type { MoveDeps } from './move-activities.js'

/** More than a volume's workflow keeps (128 KiB); an answer of 2 MB would be refused, and the volume blocked for ever. */
const limitBytes = 256 * 1024

export interface ListRequest {
  volumeId: string
  target: string
  /** Only copies of this point. */
  point?: string
}

/** What a target holds of a volume, newest first: the second truth, from which a volume's workflow rebuilds. */
export function listCopies({ targets }: Pick<MoveDeps, 'targets'>) {
  return async ({ volumeId, target, point }: ListRequest): Promise<Copy[]> =>
    withHeartbeat(async (context) => {
      const copies = await findTarget(targets, target).listCopies(volumeId, context)
      return newest(copies.filter((copy) => point === undefined || copy.point === point))
    })
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
