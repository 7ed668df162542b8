import type { RbdAccess } from './rbd-access.js'

/**
 * The OSD capabilities that suffice to read volumes, and to make RBD snapshots of them. Not `x`: its class methods that write
 * would let a thief put images into the trash; these only read. Headers and object maps change with a snapshot.
 */
export function leastOsdCaps({ pool, parents }: Pick<RbdAccess, 'pool' | 'parents'>, snapshots = true): string {
  const read = [pool, ...parents].map((name) => `allow r class-read pool=${name}`)
  const change = ['rbd_header', 'rbd_object_map'].map((prefix) => `allow rwx pool=${pool} object_prefix ${prefix}`)
  return [...read, ...(snapshots ? change : [])].join(', ')
}
