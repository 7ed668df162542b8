/**
 * The notifications that may ask for an archive: those after which a volume's content or attachment is another, or a
 * volume is new to us (facts: Cinder's legacy events, Nova's legacy and versioned ones). Start events are left out: what
 * they announce has not happened. So is `snapshot.create.end`: every archive makes a snapshot itself, and would ask for
 * the next one.
 */
export const triggerEvents = [
  'volume.create.end',
  'volume.attach.end',
  'volume.detach.end',
  'volume.resize.end',
  'volume.update.end',
  'volume.retype',
  'volume.revert.end',
  'volume.manage_existing.end',
  'volume.transfer.accept.end',
  'volume.reset_status.end',
  'snapshot.revert.end',
  'instance.volume_attach.end',
  'instance.volume_detach.end',
  'compute.instance.volume.attach',
  'compute.instance.volume.detach',
  'instance.power_off.end',
  'compute.instance.power_off.end',
] as const

export type TriggerEvent = (typeof triggerEvents)[number]

/** About a server: each of its volumes is told. (Of a deleted one, Cinder tells `volume.detach.end`.) */
export const serverEvents: readonly string[] = ['instance.power_off.end', 'compute.instance.power_off.end']

/** After these a volume has one attachment less. */
export const detachEvents: readonly string[] = [
  'volume.detach.end',
  'instance.volume_detach.end',
  'compute.instance.volume.detach',
]

/**
 * After these someone is about to attach the volume, or has just given it up: a `force` backup, which holds it in
 * `backing-up`, may not follow (design section 7).
 */
export const exclusiveEvents: readonly string[] = ['volume.create.end', ...detachEvents]
