import type { TargetsOptions } from './options.js'
import type { Copy } from './target.js'

/**
 * The commands by which an operator gets a copy back without Cinderkeep, to be pasted into a shell: with Ceph's own tools
 * into a file, with OpenStack's client into a new volume.
 * @param options of the copy's target; undefined when it is configured no more
 */
export function commandsByHand(options: TargetsOptions[string] | undefined, copy: Copy): string[] {
  switch (options?.kind) {
    case 'ceph':
      return fromCeph(options, copy)
    case 'cinder-backup':
      return fromCinder(copy)
    case undefined:
      return []
  }
}

function fromCeph(
  { conf, users, keyrings, pool }: Extract<TargetsOptions[string], { kind: 'ceph' }>,
  { volumeId, ref }: Copy,
): string[] {
  const keyring = keyrings.write === undefined ? [] : ['--keyring', keyrings.write]
  const from = `${pool}/${ref['image'] ?? ''}@${ref['snapshot'] ?? ''}`
  return [
    line(
      'rbd',
      '--conf',
      conf,
      '--id',
      users.write,
      ...keyring,
      'export',
      '--no-progress',
      from,
      `volume-${volumeId}.raw`,
    ),
  ]
}

function fromCinder({ archiveId, sizeBytes, ref }: Copy): string[] {
  const name = `restored-${archiveId.slice(0, 8)}`
  return [
    line('openstack', 'volume', 'create', '--size', String(Math.ceil(sizeBytes / 2 ** 30)), name),
    line('openstack', 'volume', 'backup', 'restore', ref['backupId'] ?? '', name),
  ]
}

/** Names of files may hold anything that a shell would take for its own. */
function line(...words: string[]): string {
  return words.map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`)).join(' ')
}
