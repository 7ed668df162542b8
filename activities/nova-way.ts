import { CodedError } from '../errors/coded-error.js'
import type { Volume } from '../openstack/cinder.js'
import type { Server } from '../openstack/nova.js'

/** Why Nova cannot, or may not, freeze a server for us; the codes are those that `captureByNova` throws. */
export interface Obstacle {
  code: 'CK-NOVA-NOT-VOLUME-BACKED' | 'CK-NOVA-QUIESCE-NOT-REQUIRED' | 'CK-NOVA-SERVER-NOT-ACTIVE'
  reason: string
}

const cures: Record<Obstacle['code'], string> = {
  'CK-NOVA-NOT-VOLUME-BACKED': 'Freeze such a server by the agent on its compute host.',
  'CK-NOVA-QUIESCE-NOT-REQUIRED':
    'Set both properties to yes on the image or the boot volume, and build the server anew: Nova copies them when it is made.',
  'CK-NOVA-SERVER-NOT-ACTIVE': 'Nothing: a server that is off writes nothing. One that is busy is tried again later.',
}

/** Both must hold, or Nova goes on unfrozen without a word (facts: compute/api.py, `snapshot_volume_backed`). */
const needed = ['hw_qemu_guest_agent', 'os_require_quiesce'] as const

/** What oslo's `bool_from_string` takes for true, as Nova reads these properties. */
const isYes = (value: string | undefined): boolean => /^(1|t|true|on|y|yes)$/i.test(value ?? '')

/** Those of the two properties that do not say yes. */
export const missingProperties = (properties: Record<string, string>): string[] =>
  needed.filter((name) => !isYes(properties[name]))

/** What Cinder knows of a volume that a server has attached, as far as Nova's way depends on it. */
export type AttachedVolume = Pick<Volume, 'id' | 'attachments' | 'bootable' | 'imageMetadata'>

/**
 * What is known before anything is done: Nova decides by a copy of the properties that it made when the server was made,
 * and shows it to nobody; so this is the boot volume's word, and the image that Nova makes has the last one.
 * @param volumes those that the server has attached
 */
export function obstacleOf(server: Server, volumes: AttachedVolume[]): Obstacle | null {
  if (!server.isVolumeBacked) {
    const reason = `server ${server.id} boots from an image: Nova would not take snapshots of its volumes`
    return { code: 'CK-NOVA-NOT-VOLUME-BACKED', reason }
  }
  const boot = bootVolumeOf(server, volumes)
  const missing = missingProperties(boot?.imageMetadata ?? {})
  if (missing.length > 0) {
    const where = boot === undefined ? 'no boot volume can be told' : `boot volume ${boot.id}`
    const reason = `server ${server.id}: ${missing.join(' and ')} not yes (${where})`
    return { code: 'CK-NOVA-QUIESCE-NOT-REQUIRED', reason }
  }
  const state = busyState(server)
  return state === null
    ? null
    : { code: 'CK-NOVA-SERVER-NOT-ACTIVE', reason: `server ${server.id} is ${state}: Nova freezes only what is ACTIVE` }
}

/** Null: ACTIVE, and Nova does nothing with it. A server that is being stopped is `ACTIVE` until it is off. */
export function busyState({ status, task }: Server): string | null {
  if (status !== 'ACTIVE') return status
  return task
}

export const obstacleError = ({ code, reason }: Obstacle): CodedError =>
  new CodedError(code, reason, { cure: cures[code] })

/** By its device; where none of them tells, the only bootable one. */
function bootVolumeOf({ id }: Server, volumes: AttachedVolume[]): AttachedVolume | undefined {
  const first = volumes.find(({ attachments }) =>
    attachments.some(({ serverId, device }) => serverId === id && /^\/dev\/[a-z]+da$/.test(device ?? '')),
  )
  if (first !== undefined) return first
  const bootable = volumes.filter((volume) => volume.bootable)
  return bootable.length === 1 ? bootable[0] : undefined
}
