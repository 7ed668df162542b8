import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe } from 'vitest'
import type { CloudSession } from '../../openstack/session.js'
import type { Sandbox } from '../../sandbox/sandbox.js'
import { startSandbox } from '../../sandbox/sandbox.js'
import { connectClient, idOf, makeVolume } from '../cloud-conformity/cloud.js'
import type { Client } from '../cloud-conformity/cloud.js'
import { novaCaptureChecks } from '../cloud-conformity/nova-captures.js'
import type { NovaLab } from '../cloud-conformity/nova-lab.js'
import { serverImageChecks } from '../cloud-conformity/server-images.js'
import { sessionOf } from '../helpers/session-of.js'

describe('the sandbox', () => {
  let sandbox: Sandbox
  let session: CloudSession
  let tenant: Client
  let dir: string
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'sandbox-nova-'))
    sandbox = await startSandbox({ dir, bytesPerGib: 2 ** 20 })
    session = await sessionOf(sandbox.env)
    tenant = await connectClient(sandbox.envOf('payments'))
  })
  afterAll(async () => {
    session.close()
    await sandbox.close()
    await rm(dir, { recursive: true })
  })

  const compute = (path: string): string => `${sandbox.url}/compute/v2.1/servers${path}`
  const open = (): NovaLab => ({
    session,
    async newServer({ properties, agent }) {
      const [boot, data] = [await makeVolume(tenant), await makeVolume(tenant)]
      await tenant.call('POST', `/volumes/${boot}/action`, { 'os-set_image_metadata': { metadata: properties } })
      const device = { uuid: boot, boot_index: 0, source_type: 'volume', destination_type: 'volume' }
      const body = { server: { name: 'db', flavorRef: 'tiny', networks: 'none', block_device_mapping_v2: [device] } }
      const serverId = idOf(await tenant.call('POST', compute(''), body, null))
      await sandbox.idle()
      const attachment = { volumeAttachment: { volumeId: data } }
      await tenant.call('POST', compute(`/${serverId}/os-volume_attachments`), attachment, null)
      await sandbox.idle()
      const guest = sandbox.state.servers.get(serverId)?.guest
      if (guest !== undefined && !agent) guest.agent = 'absent'
      return { serverId, volumeIds: [boot, data] }
    },
    isFrozen: async (id) => sandbox.state.servers.get(id)?.guest.frozen === true,
    wasFrozen: async (id) => sandbox.state.snapshots.get(id)?.frozen === true,
    async removeServer({ serverId, volumeIds }) {
      await tenant.call('DELETE', compute(`/${serverId}`), undefined, null)
      for (const id of volumeIds) await tenant.call('DELETE', `/volumes/${id}`)
      await sandbox.idle()
    },
  })
  serverImageChecks(open)
  novaCaptureChecks(open)
})
