/** What Cinder's scheduler knows of the room in its backends (`scheduler-stats/get_pools`). */
import { z } from 'zod'
import type { CinderCalls } from './cinder-call.js'
import type { Cinder, Pool } from './cinder.js'
import { id } from './fields.js'

/** A number, or one as text; `unknown`, `infinite`, `auto` and whatever else drivers write is null. */
const amount = z
  .unknown()
  .optional()
  .transform((value) => {
    const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value
    return typeof number === 'number' && Number.isFinite(number) ? number : null
  })

const pool = z
  .object({
    name: id,
    capabilities: z.object({
      total_capacity_gb: amount,
      free_capacity_gb: amount,
      provisioned_capacity_gb: amount,
      allocated_capacity_gb: amount,
      reserved_percentage: amount,
      max_over_subscription_ratio: amount,
      thin_provisioning_support: z
        .unknown()
        .optional()
        .transform((value) => value === true || value === 'True'),
    }),
  })
  .transform(({ name, capabilities: raw }): Pool => ({
    name,
    totalGib: raw.total_capacity_gb,
    freeGib: raw.free_capacity_gb,
    provisionedGib: raw.provisioned_capacity_gb ?? raw.allocated_capacity_gb,
    reservedPercentage: raw.reserved_percentage ?? 0,
    thin: raw.thin_provisioning_support,
    overSubscription: raw.max_over_subscription_ratio,
  }))

export function poolCalls(calls: CinderCalls): Pick<Cinder, 'listPools'> {
  return {
    async listPools() {
      const request = { method: 'GET', path: '/scheduler-stats/get_pools', query: { detail: 'true' } } as const
      return (await calls.read(z.object({ pools: z.array(pool) }), request)).pools
    },
  }
}
