import { CodedError } from '../../errors/coded-error.js'
import { clusterId } from '../../source/cluster-id.js'
import type { Source } from '../../source/source.js'
import { explained, type Asking } from './commands.js'
import type { CephSetting } from './setting.js'

/** A cluster keeps its id: what was found out is not asked again for as long as the process lives. */
const others = new WeakMap<CephSetting['options'], WeakSet<Source>>()

/** @throws CodedError `CK-SAME-CLUSTER` when the copies would lie in the cluster that the volume lies in */
export async function mustBeOtherCluster(
  { name, options }: CephSetting,
  asking: Asking,
  source: Source,
): Promise<void> {
  if (options.sameCluster || source.cluster === undefined || others.get(options)?.has(source) === true) return
  const [here, there] = await Promise.all([
    explained(asking.access, '', async () => clusterId(asking.access)),
    source.cluster(),
  ])
  if (here !== there) {
    others.set(options, (others.get(options) ?? new WeakSet()).add(source))
    return
  }
  throw new CodedError(
    'CK-SAME-CLUSTER',
    `the target ${name} is in the very Ceph cluster (${here}) that the volume lies in`,
    {
      cure: 'One lost cluster would take both. Use another cluster, or set sameCluster: true for a trial.',
    },
  )
}
