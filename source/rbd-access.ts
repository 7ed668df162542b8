/**
 * How to reach the images of one pool of a cluster: what a source and a target of RBD images have in common. Every
 * function of this room that runs `rbd` takes no more than this.
 */
export interface RbdAccess {
  /** The ceph.conf of the cluster, on this machine. */
  conf: string
  /** The Ceph user, without `client.`. */
  user: string
  /** The user's keyring file; without it ceph.conf and Ceph's defaults say where it lies. */
  keyring?: string | undefined
  pool: string
  /** Pools that hold the parents of cloned images, for the advice on rights. */
  parents: readonly string[]
  /** How the configuration calls this entry, for advice. Default: `sources[]`. */
  setting?: string | undefined
}
