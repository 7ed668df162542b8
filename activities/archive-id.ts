import { createHash } from 'node:crypto'

/**
 * uuid5(installation, `<volume>/<slot>/<try>`), RFC 9562 section 5.5: the seed of every name that an archive uses, the
 * same after a reset, a retry, or on another worker.
 */
export function archiveIdOf(installation: string, volumeId: string, slot: string, attempt: number): string {
  const namespace = Buffer.from(installation.replaceAll('-', ''), 'hex')
  const digest = createHash('sha1').update(namespace).update(`${volumeId}/${slot}/${attempt}`).digest()
  digest[6] = ((digest[6] ?? 0) & 0x0f) | 0x50
  digest[8] = ((digest[8] ?? 0) & 0x3f) | 0x80
  return digest.toString('hex', 0, 16).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
}
