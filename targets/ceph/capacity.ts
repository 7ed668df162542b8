import { z } from 'zod'
import type { Capacity, Fit } from '../target.js'
import { runCeph } from './ceph-command.js'
import { accessOf, type CephSetting } from './setting.js'

const answer = z.looseObject({
  pools: z.array(
    z.looseObject({
      name: z.string(),
      stats: z.looseObject({ stored: z.number(), max_avail: z.number(), quota_bytes: z.number().default(0) }),
    }),
  ),
})

/** What the pool can still take, replication counted, and with what it holds already. */
export async function capacity(setting: CephSetting, signal?: AbortSignal): Promise<Capacity> {
  const how = { signal, timeoutMs: setting.pace.commandMs }
  const { pools } = answer.parse(
    JSON.parse(await runCeph(accessOf(setting, 'write'), ['df', 'detail', '--format', 'json'], how)),
  )
  const pool = pools.find(({ name }) => name === setting.options.pool)
  if (pool === undefined) return { freeBytes: null, totalBytes: null }
  const { stored, max_avail: available, quota_bytes: quota } = pool.stats
  // 0: no quota; what is available knows nothing of one
  const free = quota === 0 ? available : Math.max(0, Math.min(available, quota - stored))
  return { freeBytes: free, totalBytes: stored + free }
}

/** What a later copy takes cannot be known; a first one takes at most the volume's size. */
export async function preflight(setting: CephSetting, signal: AbortSignal): Promise<Fit> {
  const { freeBytes, totalBytes } = await capacity(setting, signal)
  if (freeBytes === null || totalBytes === null || freeBytes > totalBytes * nearlyFull) return { fits: true }
  const gib = (freeBytes / 2 ** 30).toFixed(1)
  return { fits: false, reason: `the pool ${setting.options.pool} has ${gib} GiB left: its cluster is nearly full` }
}

/** Ceph warns at 85 % and stops at 95 %, then for everybody. */
const nearlyFull = 0.1
