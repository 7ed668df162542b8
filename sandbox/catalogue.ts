import type { Cloud } from './cloud.js'

/** The services as the catalogue names them; `path` follows the sandbox's address. */
export const services = [
  { id: 'service-identity', type: 'identity', name: 'keystone', path: () => '/identity/v3' },
  { id: 'service-volume', type: 'volumev3', name: 'cinderv3', path: (project: string) => `/volume/v3/${project}` },
  { id: 'service-compute', type: 'compute', name: 'nova', path: () => '/compute/v2.1' },
  { id: 'service-image', type: 'image', name: 'glance', path: () => '/image' },
] as const

export const region = 'RegionOne'
export const interfaces = ['public', 'internal', 'admin'] as const

/** The token's `catalog`. */
export function catalogue(cloud: Cloud, projectId: string): unknown[] {
  return services.map((service) => ({
    id: service.id,
    type: service.type,
    name: service.name,
    endpoints: interfaces.map((name) => ({
      id: `${service.id}-${name}`,
      interface: name,
      region,
      region_id: region,
      url: cloud.url + service.path(projectId),
    })),
  }))
}
