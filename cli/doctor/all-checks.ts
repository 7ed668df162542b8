import { attributesCheck } from './attributes.js'
import { backupDriverCheck } from './backup-driver.js'
import { brokerCheck } from './broker.js'
import { cephCheck } from './ceph.js'
import { cephRightsCheck } from './ceph-rights.js'
import { cephTargetsCheck } from './ceph-targets.js'
import type { Check } from './check.js'
import { cinderCheck } from './cinder.js'
import { clocksCheck } from './clocks.js'
import { cloudCheck } from './cloud.js'
import { configurationCheck } from './configuration.js'
import { exchangesCheck } from './exchanges.js'
import { filesCheck } from './files.js'
import { glanceCheck } from './glance.js'
import { nodeCheck } from './node.js'
import { novaCheck } from './nova.js'
import { policiesCheck } from './policies.js'
import { queueCheck } from './queue.js'
import { quiesceCheck } from './quiesce.js'
import { quotasCheck } from './quotas.js'
import { rightsCheck } from './rights.js'
import { schedulesCheck } from './schedules.js'
import { servicesCheck } from './services.js'
import { sourcesCheck } from './sources.js'
import { targetsCheck } from './targets.js'
import { temporalCheck } from './temporal.js'
import { theftCheck } from './theft.js'
import { workersCheck } from './workers.js'

/** In the order in which a person would look. */
export const allChecks: readonly Check[] = [
  nodeCheck,
  configurationCheck,
  clocksCheck,
  cloudCheck,
  cinderCheck,
  novaCheck,
  glanceCheck,
  rightsCheck,
  quotasCheck,
  servicesCheck,
  backupDriverCheck,
  targetsCheck,
  theftCheck,
  brokerCheck,
  exchangesCheck,
  queueCheck,
  temporalCheck,
  attributesCheck,
  workersCheck,
  quiesceCheck,
  policiesCheck,
  schedulesCheck,
  sourcesCheck,
  cephCheck,
  cephRightsCheck,
  cephTargetsCheck,
  filesCheck,
]
