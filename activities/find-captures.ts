import type { Snapshot } from '../openstack/cinder.js'
import type { CaptureRequest } from './take-capture.js'
import type { MoveDeps } from './move-activities.js'

export const captureName = (archiveId: string): string => `ck-${archiveId}`

/** What a snapshot of ours carries: enough to prove it ours without Temporal. */
export function captureMetadata(
  installation: string,
  request: Pick<CaptureRequest, 'archiveId' | 'volumeId' | 'maxAgeSeconds'>,
  detached: boolean,
): Record<string, string> {
  return {
    'ck:installation': installation,
    'ck:archive': request.archiveId,
    'ck:purpose': 'capture',
    'ck:volume': request.volumeId,
    'ck:expires': new Date(Date.now() + request.maxAgeSeconds * 1000).toISOString(),
    // an attempt that finds the snapshot cannot look back
    'ck:before': detached ? 'detached' : 'in-use',
  }
}

/** The same of a snapshot that Nova made: with the image that it came by, and what is known of the freeze. */
export function novaCaptureMetadata(
  installation: string,
  request: Pick<CaptureRequest, 'archiveId' | 'volumeId' | 'maxAgeSeconds'>,
  { imageName, why }: { imageName: string; why: string | null },
): Record<string, string> {
  return {
    ...captureMetadata(installation, request, false),
    'ck:nova': imageName,
    // an attempt that finds the snapshot without its image cannot look back
    'ck:frozen': why === null ? 'yes' : 'no',
    ...(why === null ? {} : { 'ck:why': why.slice(0, 255) }),
  }
}

/** The archive's snapshots, oldest first: never another installation's, never a tenant's of the same name. */
export async function findCaptures(
  { cinder, installation }: Pick<MoveDeps, 'cinder' | 'installation'>,
  { archiveId, volumeId }: { archiveId: string; volumeId: string },
): Promise<Snapshot[]> {
  const found: Snapshot[] = []
  // of all projects: a transfer of the volume takes its snapshots along to the new owner
  for await (const snapshot of cinder.listSnapshots({ allProjects: true, name: captureName(archiveId), volumeId })) {
    const { metadata } = snapshot
    if (metadata['ck:installation'] === installation && metadata['ck:archive'] === archiveId) found.push(snapshot)
  }
  return found.sort((a, b) => a.createdAt.localeCompare(b.createdAt))
}
