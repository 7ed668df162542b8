import type { Cloud } from './cloud.js'
import { serviceHost, volumeBackend } from './cloud.js'
import { requireAdmin } from './find.js'
import type { Route } from './http.js'

/** `GET /os-services` (admin). */
export function serviceRoutes(cloud: Cloud): readonly Route[] {
  return [
    [
      'GET',
      '/os-services',
      (request) => {
        requireAdmin(request, 'volume_extension:services:index')
        const noBackup = cloud.faults.list().some((fault) => fault.kind === 'no-backup-service')
        const common = { zone: 'nova', status: 'enabled', updated_at: new Date().toISOString().replace('Z', '000') }
        const extra = (isVolume: boolean): object => ({
          ...(isVolume && request.minor >= 49 ? { backend_state: 'up' } : {}),
          ...(request.minor >= 7 ? { cluster: null } : {}),
          disabled_reason: null,
          ...(isVolume ? { replication_status: 'disabled', active_backend_id: null, frozen: false } : {}),
        })
        const all = [
          { binary: 'cinder-backup', host: serviceHost, ...common, state: noBackup ? 'down' : 'up', ...extra(false) },
          { binary: 'cinder-scheduler', host: serviceHost, ...common, state: 'up', ...extra(false) },
          { binary: 'cinder-volume', host: volumeBackend, ...common, state: 'up', ...extra(true) },
        ]
        const binary = request.query.get('binary')
        const host = request.query.get('host')
        const services = all.filter(
          (service) => (binary === null || service.binary === binary) && (host === null || service.host === host),
        )
        return { status: 200, body: { services } }
      },
    ],
  ]
}
