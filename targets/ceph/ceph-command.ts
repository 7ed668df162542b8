import type { RbdAccess } from '../../source/rbd-access.js'
import { runCommand, type CommandOptions } from '../../source/run-command.js'
import { explained } from './asking.js'

/** `ceph ARGS…` as the user of an access. @throws CodedError `CK-SOURCE-…`, `CK-TARGET-AWAY` */
export async function runCeph(access: RbdAccess, args: string[], options: CommandOptions): Promise<string> {
  const { conf, user, keyring } = access
  const identity = ['--conf', conf, '--id', user, ...(keyring === undefined ? [] : ['--keyring', keyring])]
  const command = {
    name: 'ceph',
    args: [...identity, ...args],
    title: `ceph ${args.join(' ')}`,
    packageName: 'ceph-common',
    // it remarks on what it does on stderr; what it could not do is in its exit code
    isComplaint: () => false,
  }
  return explained(access, '', async () => runCommand(command, options))
}
