import type { RbdAccess } from './rbd-access.js'
import { explainRbdFailure } from './rbd-command.js'
import { rbdTimeoutMs } from './rbd-queries.js'
import { runCommand } from './run-command.js'

/** The cluster's own id (fsid), which tells it from every other one. @throws CodedError `CK-SOURCE-…` */
export async function clusterId(access: RbdAccess): Promise<string> {
  const { conf, user, keyring } = access
  const identity = ['--conf', conf, '--id', user, ...(keyring === undefined ? [] : ['--keyring', keyring])]
  const command = { name: 'ceph', args: [...identity, 'fsid'], title: 'ceph fsid', packageName: 'ceph-common' }
  try {
    return (await runCommand({ ...command, isComplaint: () => false }, { timeoutMs: rbdTimeoutMs })).trim()
  } catch (error) {
    throw explainRbdFailure(error, access, '')
  }
}
