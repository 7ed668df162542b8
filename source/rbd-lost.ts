import { CodedError } from '../errors/coded-error.js'
import type { RbdAccess } from './rbd-access.js'
import { spec, type RbdObject } from './rbd-command.js'
import type { RbdSnapshotRef } from './source.js'

export function captureLost({ pool }: RbdAccess, object: RbdObject, what: string): CodedError {
  return new CodedError('CK-CAPTURE-LOST', `${spec(pool, object)} ${what}`, {
    cure: 'What was read is thrown away and a new capture is needed; look in Cinder who deletes snapshots.',
  })
}

export function baseLost({ pool }: RbdAccess, image: string, { name, id }: RbdSnapshotRef): CodedError {
  return new CodedError('CK-SOURCE-BASE-LOST', `${spec(pool, { image, snapshot: name })} with the id ${id} is gone`, {
    cure: 'What was read is thrown away; without this snapshot the volume is read whole. Cinder may remove such snapshots at any time.',
  })
}
