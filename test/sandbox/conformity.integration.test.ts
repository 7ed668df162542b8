import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe } from 'vitest'
import type { Sandbox } from '../../sandbox/sandbox.js'
import { startSandbox } from '../../sandbox/sandbox.js'
import { cloudConformity } from '../cloud-conformity/suite.js'
import { testAmqpUrl } from '../helpers/rabbit.js'

describe.each(['ceph', 'chunked'] as const)('the sandbox with the %s driver', (driver) => {
  let sandbox: Sandbox
  let dir: string
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'sandbox-conformity-'))
    // a backup takes long enough for the checks to look at the volume meanwhile
    sandbox = await startSandbox({ dir, amqpUrl: testAmqpUrl(), driver, delays: { 'backup.create': 500 } })
  })
  afterAll(async () => {
    await sandbox.close()
    await rm(dir, { recursive: true })
  })
  cloudConformity('answers as the real Cinder does', driver, () => ({
    admin: sandbox.env,
    member: sandbox.envOf('payments'),
    amqpUrl: testAmqpUrl(),
    exchange: sandbox.exchange,
  }))
})
