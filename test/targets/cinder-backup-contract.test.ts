import { describeTarget } from './contract.js'
import { fakeBench } from './fake-bench.js'

const reports = [1, 2, 3, 4, 5, 6, 8, 10, 12]
describeTarget("cinder-backup with Ceph's driver, on a Cinder in memory", async () => fakeBench('ceph'), reports)
describeTarget('cinder-backup with a chunked driver, on a Cinder in memory', async () => fakeBench('chunked'), reports)
describeTarget(
  'cinder-backup that has to learn the driver, on a Cinder in memory',
  async () => fakeBench('chunked', { learn: true }),
  reports,
)
