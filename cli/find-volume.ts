import { CodedError } from '../errors/coded-error.js'
import type { Cinder, Volume } from '../openstack/cinder.js'
import { orNull } from '../openstack/or-null.js'

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i

/** Whether this can be nothing but the id of a volume, even of one that Cinder no longer knows. */
export function isVolumeId(volume: string): boolean {
  return uuid.test(volume)
}

/**
 * By id, else by name among all volumes that we may see.
 * @throws CodedError `CK-VOLUME-UNKNOWN`; `CK-VOLUME-AMBIGUOUS` with the ids when several have the name; `CK-USAGE`
 */
export async function findVolume(cinder: Cinder, volume: string): Promise<Volume> {
  // it would be the name of every volume that has none
  if (volume === '') {
    throw new CodedError('CK-USAGE', 'an empty text names no volume', {
      cure: "Give an id or a name; a shell's variable that is not set looks like this.",
    })
  }
  if (isVolumeId(volume)) {
    const found = await orNull('CK-VOLUME-GONE', async () => cinder.getVolume(volume.toLowerCase()))
    if (found !== null) return found
  }
  const named = await volumesNamed(cinder, volume)
  const [first] = named
  if (first === undefined) {
    throw new CodedError('CK-VOLUME-UNKNOWN', `there is no volume "${volume}"`, {
      cure: 'Give the id or the exact name; `openstack volume list --all-projects` shows both.',
    })
  }
  if (named.length > 1) {
    const which = named.map(({ id, projectId }) => `${id} (project ${projectId})`).join(', ')
    throw new CodedError('CK-VOLUME-AMBIGUOUS', `"${volume}" is the name of ${named.length} volumes: ${which}`, {
      cure: 'Give the id of the one that is meant.',
    })
  }
  return first
}

async function volumesNamed(cinder: Cinder, name: string): Promise<Volume[]> {
  const found: Volume[] = []
  for await (const volume of cinder.listVolumes({ allProjects: true, name })) found.push(volume)
  return found
}
