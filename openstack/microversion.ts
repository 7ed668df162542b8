/** Which microversion a request uses: the highest that both sides know. */
import { z } from 'zod'
import { CloudError, type CallInfo } from './errors.js'

/** What a caller can work with, both ends included; `3.43`, not `3.43.0`. */
export interface MicroversionRange {
  least: string
  most: string
}

/** What a service offers, from `GET /v3/` (a list) or `GET /v2.1/` (one). */
export const versionsSchema = z
  .union([z.object({ versions: z.array(z.unknown()) }), z.object({ version: z.unknown() })])
  .transform((body) => ('versions' in body ? body.versions : [body.version]))
  .pipe(z.array(z.object({ id: z.string(), version: z.string().nullish(), min_version: z.string().nullish() })))

/**
 * @param offered empty strings where the service knows no microversions
 * @throws CloudError `CK-CLOUD-MICROVERSION`
 */
export function chooseMicroversion(range: MicroversionRange, offered: MicroversionRange, call: CallInfo): string {
  const most = compare(range.most, offered.most) <= 0 ? range.most : offered.most
  if (compare(most, range.least) < 0 || compare(most, offered.least) < 0) {
    const has = offered.most === '' ? 'none' : `${offered.least} to ${offered.most}`
    throw new CloudError(
      'CK-CLOUD-MICROVERSION',
      `needs a microversion from ${range.least} to ${range.most}; the cloud offers ${has}`,
      { ...call, cure: cures[call.service] ?? 'Use a cloud of a release that offers it.' },
    )
  }
  return most
}

const cures: Record<string, string> = {
  Cinder: 'Cinderkeep keeps its manifests in the metadata of backups: use a Cinder of release Pike (3.43) or later.',
}

function compare(a: string, b: string): number {
  const [aMajor, aMinor] = parts(a)
  const [bMajor, bMinor] = parts(b)
  return aMajor - bMajor || aMinor - bMinor
}

/** `3.9` is older than `3.10`. */
function parts(version: string): [number, number] {
  const [major, minor] = version.split('.')
  return [Number(major ?? 0), Number(minor ?? 0)]
}
