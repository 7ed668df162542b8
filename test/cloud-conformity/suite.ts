/** One suite of checks that the sandbox and a real Cinder must both pass: so the sandbox cannot drift from it. */
import { describe } from 'vitest'
import { backupChecks } from './backups.js'
import type { ConformityCloud } from './cloud.js'
import { discoveryChecks } from './discovery.js'
import { notificationChecks } from './notifications.js'
import { ownClientChecks } from './own-client.js'
import { snapshotChecks } from './snapshots.js'
import { volumeChecks } from './volumes.js'

/**
 * @param driver which backup driver the cloud runs (the lab's POSIX driver is a chunked one)
 * @param open gives the cloud; called only while tests run, so it may be started in a `beforeAll`
 */
export function cloudConformity(name: string, driver: 'ceph' | 'chunked', open: () => ConformityCloud): void {
  describe(name, () => {
    discoveryChecks(open)
    volumeChecks(open)
    snapshotChecks(open)
    backupChecks(driver, open)
    notificationChecks(driver, open)
    ownClientChecks(open)
  })
}
