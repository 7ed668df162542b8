import { cloudConformity } from '../cloud-conformity/suite.js'
import { labEnvironment, tenantOs } from '../helpers/lab.js'

const lab = labEnvironment()

const driver = lab.backupDriver === 'posix' ? 'chunked' : 'ceph'

cloudConformity('the real Cinder of the lab', driver, () => ({
  admin: lab.os,
  // not the tenant of the other tests: a check takes its quota away
  member: tenantOs(lab, 'research'),
  amqpUrl: lab.amqpUrl,
  exchange: 'openstack',
}))
