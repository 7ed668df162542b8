/** The contract of targets on two real clusters, from one to the other. */
import { labEnvironment } from '../helpers/lab.js'
import { cephBench } from '../targets/ceph-bench.js'
import { describeTarget } from '../targets/contract.js'

const lab = labEnvironment()

describeTarget('ceph on the lab', async () => cephBench(lab), [1, 2, 3, 4, 5])
