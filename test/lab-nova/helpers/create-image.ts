import { z } from 'zod'
import type { LabCloud } from '../../helpers/lab-cloud.js'
import { signIn } from '../../helpers/keystone-token.js'
import type { ServersLab } from './lab-servers.js'

/** Nova's createImage of a server that boots from a volume: an image without bytes, and a snapshot of each volume. */

const created = z.object({ image_id: z.string() })
const image = z.object({ block_device_mapping: z.string() })
const mapping = z.array(z.object({ snapshot_id: z.string(), boot_index: z.number().nullish() }))

/** @returns the image's id; @throws CloudError when Nova refuses */
export async function createImage(cloud: LabCloud, serverId: string, name: string): Promise<string> {
  const { body } = await cloud.session.request('compute', {
    method: 'POST',
    path: `/servers/${serverId}/action`,
    json: { createImage: { name } },
    // from 2.45 the answer names the image
    microversion: { least: '2.93', most: '2.93' },
  })
  return created.parse(body).image_id
}

/** Cinder's snapshots that an image stands for, in the order of the server's volumes. */
export async function snapshotsOfImage(lab: ServersLab, imageId: string): Promise<string[]> {
  const { token, url } = await signIn(lab, 'image')
  const response = await fetch(`${url}/v2/images/${imageId}`, { headers: { 'x-auth-token': token } })
  const { block_device_mapping: text } = image.parse(await response.json())
  return mapping.parse(JSON.parse(text)).map(({ snapshot_id: id }) => id)
}

export async function deleteImage(lab: ServersLab, imageId: string): Promise<void> {
  const { token, url } = await signIn(lab, 'image')
  const response = await fetch(`${url}/v2/images/${imageId}`, { method: 'DELETE', headers: { 'x-auth-token': token } })
  if (!response.ok) throw new Error(`deleting image ${imageId}: HTTP ${String(response.status)}`)
}
