/** What all requests to Cinder share: the microversion, whose 404 it is, and the shape of the answer. */
import type { z } from 'zod'
import { readAs } from './answer.js'
import { CloudError, isCloudError, type CloudCode } from './errors.js'
import type { MicroversionRange } from './microversion.js'
import type { CloudRequest, CloudSession } from './session.js'

/**
 * From 3.43 (Pike) backups have metadata, where our manifests lie; nothing here needs more. The highest of both sides
 * up to 3.64 is used because that one shows a volume's encryption key. 3.65 and 3.66 change quotas and `force` of
 * snapshots, 3.67 the addresses: nothing that we read.
 */
const microversions: MicroversionRange = { least: '3.43', most: '3.64' }

export type Kind = 'volume' | 'snapshot' | 'backup'

const goneCodes: Record<Kind, CloudCode> = {
  volume: 'CK-VOLUME-GONE',
  snapshot: 'CK-SNAPSHOT-GONE',
  backup: 'CK-BACKUP-GONE',
}

export interface CinderRequest extends Omit<CloudRequest, 'microversion'> {
  /** The objects that must exist for this call, the one in the path first. */
  about?: readonly (readonly [Kind, string])[]
}

export interface CinderCalls {
  session: CloudSession
  /** @throws CloudError, with `CK-…-GONE` where Cinder itself says that an object of `about` is missing */
  read<T extends z.ZodType>(schema: T, request: CinderRequest): Promise<z.output<T>>
  /** For calls whose answer says nothing. */
  act(request: CinderRequest): Promise<void>
}

export function cinderCalls(session: CloudSession): CinderCalls {
  async function call({ about, ...request }: CinderRequest) {
    try {
      return await session.request('block-storage', { ...request, microversion: microversions })
    } catch (error) {
      const gone = isCloudError(error) ? goneError(error, about ?? []) : undefined
      throw gone ?? error
    }
  }
  return {
    session,
    async read(schema, request) {
      const answer = await call(request)
      return readAs(schema, answer.body, answer.call)
    },
    async act(request) {
      await call(request)
    },
  }
}

/**
 * Only Cinder's own `itemNotFound` says that something is gone. A proxy's 404, or another service's at a wrong address,
 * must never look like a deleted volume.
 */
function goneError(error: CloudError, about: NonNullable<CinderRequest['about']>): CloudError | undefined {
  if (error.code !== 'CK-CLOUD-NOT-FOUND' || error.fault !== 'itemNotFound') return undefined
  const named = about.find(([, id]) => error.said?.includes(id))
  const ofPath = about.find(([, id]) => error.path.split('/').includes(id))
  const missing = named ?? ofPath
  if (missing === undefined) return undefined
  const [kind, id] = missing
  return new CloudError(goneCodes[kind], `${kind} ${id} does not exist`, {
    service: 'Cinder',
    method: error.method,
    path: error.path,
    requestId: error.requestId,
    status: 404,
    fault: error.fault,
    said: error.said,
  })
}

/** A deletion that finds nothing to delete is done. */
export async function unlessGone(act: Promise<void>, code: CloudCode): Promise<void> {
  try {
    await act
  } catch (error) {
    if (!isCloudError(error, code)) throw error
  }
}
