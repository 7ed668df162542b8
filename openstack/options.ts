/** How to reach one OpenStack as one identity in one project. Made by `loadCloud`, or by hand in tests. */

/** A name or an id; the id wins where both are given. */
export type NameOrId = { id: string } | { name: string; domain?: { id: string } | { name: string } }

export interface PasswordAuth {
  method: 'password'
  user: NameOrId
  password: string
  /** Cinder works in a project; a trust brings its own. */
  scope: { project: NameOrId } | { trustId: string }
}

/** Bound to a user and a project by Keystone itself. */
export interface ApplicationCredentialAuth {
  method: 'application_credential'
  credential: { id: string } | { name: string; user: NameOrId }
  secret: string
}

export type CloudInterface = 'public' | 'internal' | 'admin'

/** The services that Cinderkeep talks to, by the names of OpenStack's service-types-authority. */
export type ServiceType = 'block-storage' | 'compute' | 'identity' | 'image'

export interface CloudOptions {
  /** How messages name it: an entry of clouds.yaml, or `OS_*`. */
  name: string
  /** Keystone's address, with or without `/v3`. */
  authUrl: string
  auth: PasswordAuth | ApplicationCredentialAuth
  /** Needed only where the catalogue lists a service in more than one region. */
  region?: string
  interface: CloudInterface
  /** A PEM file that replaces the authorities known to Node. */
  cacert?: string
  /** A PEM file each, for clouds that ask for a client's certificate. */
  cert?: string
  key?: string
  /** False accepts any certificate: anybody on the way then reads the password. Default of `loadCloud`: true. */
  verify: boolean
  /** Addresses that replace the catalogue's. */
  endpointOverrides: Partial<Record<ServiceType, string>>
  /** How long one try of one request may take; without it 60. */
  timeoutSeconds?: number
}

/** Other names of the same services in catalogues and in clouds.yaml, in order of preference. */
export const serviceAliases: Record<ServiceType, readonly string[]> = {
  'block-storage': ['block-storage', 'volumev3', 'volume', 'block-store'],
  compute: ['compute'],
  identity: ['identity'],
  image: ['image'],
}
