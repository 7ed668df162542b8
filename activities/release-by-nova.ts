import { setTimeout as sleep } from 'node:timers/promises'
import { orNull } from '../openstack/or-null.js'
import { withHeartbeat } from './copy-context.js'
import { findNovaWork, patienceOf, removeNovaWork, type NovaDeps, type NovaVolume } from './nova-leftovers.js'

export interface NovaReleaseRequest {
  imageName: string
  /** Absent where nothing is under way. */
  serverId?: string | undefined
  /** Whose captures are removed too; empty: they were handed over, and only what else bears the name is removed. */
  volumes: NovaVolume[]
  /** Nothing is under way: the capture ended well, or refused before it asked Nova. Absent: it is not known. */
  settled?: boolean
}

/**
 * Removes the image, and all snapshots that bear its name, and returns when they are gone. Where it is not known what
 * became of the request, it stays until nothing has appeared for as long as Nova may need; not where an image was found,
 * which Nova makes last. May be called again and again.
 * @throws CodedError `CK-SNAPSHOT-BUSY` when a clone holds a snapshot; to be tried again
 */
export function releaseByNova(deps: NovaDeps) {
  return async (request: NovaReleaseRequest): Promise<void> =>
    withHeartbeat(async (context) => {
      const { imageName, volumes, settled } = request
      let isOver = settled === true || request.serverId === undefined || (await isGone(deps, request.serverId))
      let quietSince = Date.now()
      for (;;) {
        const work = await findNovaWork(deps, imageName, volumes)
        const isEmpty = work.images.length + work.loose.length + work.adopted.length === 0
        if (isEmpty && (isOver || Date.now() - quietSince >= patienceOf(deps))) return
        if (!isEmpty) {
          isOver ||= work.images.length > 0 || work.adopted.length > 0
          await removeNovaWork(deps, work, context)
          quietSince = Date.now()
          // what was asked to go is looked for once more at once
          continue
        }
        context.report({ phase: `waiting whether Nova still makes ${imageName}` })
        await sleep(Math.min(1000, patienceOf(deps)), undefined, { signal: context.signal })
      }
    })
}

/** Of a server that is no more Nova makes nothing more. */
async function isGone({ nova }: NovaDeps, serverId: string): Promise<boolean> {
  return (await orNull('CK-SERVER-GONE', async () => nova.getServer(serverId))) === null
}
