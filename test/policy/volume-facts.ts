import type { Policy, VolumeFacts } from '../../policy/policy.js'

export const installation = '3f0c8a52-6a0e-4b6a-9a51-2f3f6f1f0f01'

export function volumeFacts(change: Partial<VolumeFacts> = {}): VolumeFacts {
  return {
    id: '0b3f4c1e-7a53-4f0e-9a1c-3a9d0a7d1c11',
    name: 'db-data',
    projectId: 'a1a1a1a1a1a14a1a8a1aa1a1a1a1a1a1',
    projectName: 'payments',
    type: 'ssd',
    sizeGib: 10,
    status: 'available',
    metadata: {},
    migrationStatus: null,
    createdAt: '2026-01-01T00:00:00Z',
    updatedAt: null,
    servers: [],
    ...change,
  }
}

export function policy(name: string, change: Partial<Policy> = {}): Policy {
  return {
    name,
    protect: 'volumes',
    where: {},
    on: ['volume.create.end', 'volume.detach.end'],
    settleSeconds: 30,
    consistency: { prefer: ['detached', 'crash'], require: 'crash' },
    copies: [{ target: 'cinder', force: null }],
    every: null,
    timezone: 'UTC',
    window: null,
    permits: null,
    rpoSeconds: null,
    ...change,
  }
}
