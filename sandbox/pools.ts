import type { Cloud } from './cloud.js'
import { volumeBackend, volumeHost } from './cloud.js'
import { requireAdmin } from './find.js'
import type { Route } from './http.js'

/** `GET /scheduler-stats/get_pools` (admin): the one pool, as a thin backend tells it. */
export function poolRoutes(cloud: Cloud): readonly Route[] {
  return [
    [
      'GET',
      '/scheduler-stats/get_pools',
      (request) => {
        requireAdmin(request, 'scheduler_extension:scheduler_stats:get_pools')
        // anything but a Python truth is none
        const detail = ['true', '1', 't', 'y', 'yes', 'on'].includes((request.query.get('detail') ?? '').toLowerCase())
        const capabilities = {
          vendor_name: 'Open Source',
          driver_version: '1.3.0',
          storage_protocol: 'ceph',
          total_capacity_gb: cloud.state.pool.totalGib,
          free_capacity_gb: cloud.state.pool.freeGib,
          reserved_percentage: 0,
          multiattach: true,
          thin_provisioning_support: true,
          max_over_subscription_ratio: '20.0',
          location_info: volumeBackend,
          backend_state: 'up',
          qos_support: true,
          volume_backend_name: 'files',
          replication_enabled: false,
          allocated_capacity_gb: [...cloud.state.volumes.values()].reduce((sum, { size }) => sum + size, 0),
          filter_function: null,
          goodness_function: null,
          timestamp: new Date().toISOString().replace('Z', '000'),
        }
        return { status: 200, body: { pools: [{ name: volumeHost, ...(detail && { capabilities }) }] } }
      },
    ],
  ]
}
