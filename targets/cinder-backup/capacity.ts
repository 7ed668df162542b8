import type { Capacity } from '../target.js'
import type { Setting } from './setting.js'

const gib = 2 ** 30

/** What the quota of our project leaves; where it is unlimited, Cinder cannot tell. */
export async function capacity({ cinder }: Setting): Promise<Capacity> {
  const { maxBackupGigabytes: max, usedBackupGigabytes: used } = await cinder.getLimits()
  if (max < 0) return { freeBytes: null, totalBytes: null }
  return { freeBytes: Math.max(0, max - used) * gib, totalBytes: max * gib }
}
