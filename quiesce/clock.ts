import { readFile } from 'node:fs/promises'

/** Of all processes of this boot the same, and never set back or forth; meaningless after another boot. */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint() / 1_000_000n)
}

/** Tells whether a monotonic time that was written down still means something. */
export async function bootId(): Promise<string> {
  return (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim()
}
