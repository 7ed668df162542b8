import { cloudConformity } from '../cloud-conformity/suite.js'
import { labEnvironment, tenantOs } from '../helpers/lab.js'

const lab = labEnvironment()

const driver = lab.backupDriver === 'posix' ? 'chunked' : 'ceph'

cloudConformity('the real Cinder of the lab', driver, () => ({
  admin: lab.os,
  member: tenantOs(lab, 'payments'),
  amqpUrl: lab.amqpUrl,
  exchange: 'openstack',
}))
