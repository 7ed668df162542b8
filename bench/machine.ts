import { cpus, loadavg, release, totalmem } from 'node:os'

/** What figures depend on beside the code. */
export interface Machine {
  date: string
  cpu: string
  memoryGib: number
  node: string
  system: string
}

export function describeMachine(): Machine {
  const all = cpus()
  return {
    date: new Date().toISOString().slice(0, 10),
    cpu: `${String(all.length)} × ${all[0]?.model.trim() ?? 'unknown'}`,
    memoryGib: Math.round(totalmem() / 2 ** 30),
    node: process.version,
    system: `${process.platform} ${release()}`,
  }
}

/** Processes that wanted to run, on average of the last minute: above the number of CPUs nothing runs alone. */
export function load(): number {
  return Math.round((loadavg()[0] ?? 0) * 10) / 10
}
