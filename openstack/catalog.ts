/** Where each service lies: from the token's catalogue, by type, region and interface. */
import { z } from 'zod'
import { cloudConfigError } from './errors.js'
import { serviceAliases, type CloudOptions, type ServiceType } from './options.js'

export const catalogSchema = z.array(
  z.object({
    type: z.string(),
    endpoints: z
      .array(
        z.object({
          url: z.string(),
          interface: z.string(),
          region_id: z.string().nullish(),
          region: z.string().nullish(),
        }),
      )
      .nullish(),
  }),
)

export type Catalog = z.output<typeof catalogSchema>

const versions: Record<ServiceType, string> = { 'block-storage': 'v3', compute: 'v2.1', identity: 'v3', image: 'v2' }

/**
 * The service's address up to and with its version, without a project.
 * @throws CodedError `CK-CLOUD-CONFIG` when the catalogue has none, or several regions have one
 */
export function findEndpoint(catalog: Catalog, service: ServiceType, options: CloudOptions): string {
  const override = options.endpointOverrides[service]
  if (override !== undefined) return versionedBase(override, service)
  for (const type of serviceAliases[service]) {
    const endpoints = catalog.filter((entry) => entry.type === type).flatMap((entry) => entry.endpoints ?? [])
    const ours = endpoints.filter(
      (endpoint) =>
        endpoint.interface === options.interface &&
        (options.region === undefined || regionOf(endpoint) === options.region),
    )
    const first = ours[0]
    if (first === undefined) continue
    const regions = [...new Set(ours.map(regionOf))]
    if (regions.length > 1) {
      throw cloudConfigError(
        `${options.name}: region_name: ${service} is offered in several regions; expected one of ${regions.join(', ')}`,
      )
    }
    return versionedBase(first.url, service)
  }
  // Keystone may be missing in its own catalogue; we know where it is
  if (service === 'identity') return versionedBase(options.authUrl, service)
  throw cloudConfigError(missing(catalog, service, options))
}

/**
 * Catalogues hold `http://h/v3/<project>`, `http://h/volume/v3`, `http://h/volume` or, on old clouds, `/v2/<project>`:
 * all of them lead to the one version that we speak.
 */
export function versionedBase(url: string, service: ServiceType): string {
  return `${url.replace(/\/+$/, '').replace(/\/v\d+(\.\d+)?(\/[^/]*)?$/, '')}/${versions[service]}`
}

type Endpoint = NonNullable<Catalog[number]['endpoints']>[number]

function regionOf(endpoint: Endpoint): string {
  return endpoint.region_id ?? endpoint.region ?? ''
}

function missing(catalog: Catalog, service: ServiceType, options: CloudOptions): string {
  const region = options.region === undefined ? '' : ` in region ${options.region}`
  const offered = catalog
    .filter((entry) => serviceAliases[service].includes(entry.type))
    .flatMap((entry) => (entry.endpoints ?? []).map((one) => `${entry.type} ${one.interface} in ${regionOf(one)}`))
  const found =
    offered.length > 0 ? offered.join(', ') : `only ${catalog.map((entry) => entry.type).join(', ') || 'nothing'}`
  return `${options.name}: the catalogue has no ${options.interface} endpoint of ${service}${region}; it has ${found}`
}
