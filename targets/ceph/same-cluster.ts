import { CodedError } from '../../errors/coded-error.js'
import type { RbdAccess } from '../../source/rbd-access.js'
import { ask, placeOf, type Asking } from './asking.js'
import type { CephSetting } from './setting.js'

/** @throws CodedError `CK-SAME-CLUSTER` when the copies would lie in the cluster that the volume lies in */
export async function mustBeOtherCluster(
  { name, options }: CephSetting,
  asking: Asking,
  source: RbdAccess,
): Promise<void> {
  if (options.sameCluster) return
  const [here, there] = await Promise.all([
    ask(asking, 'fsid', placeOf(asking.access)),
    ask({ ...asking, access: source }, 'fsid', placeOf(source)),
  ])
  if (here !== there) return
  throw new CodedError(
    'CK-SAME-CLUSTER',
    `the target ${name} is in the very Ceph cluster (${here}) that the volume lies in`,
    {
      cure: 'One lost cluster would take both. Use another cluster, or set sameCluster: true for a trial.',
    },
  )
}
