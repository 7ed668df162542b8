import type { Child } from './child.js'

/** How much CPU a process used while it did something; other than rates, it hardly depends on what else a machine does. */
export interface CpuMeter {
  during<T>(work: () => Promise<T>): Promise<T>
  /** Milliseconds of CPU so far. */
  total(): number
}

export function cpuMeter(child: Child): CpuMeter {
  let total = 0
  return {
    async during(work) {
      const before = await child.cpuMs()
      const result = await work()
      total += (await child.cpuMs()) - before
      return result
    },
    total: () => total,
  }
}

/** For people: what one of the things that were done cost each side's process. */
export function cpuNote(what: string, done: number, ours: CpuMeter, bare: CpuMeter): string {
  const each = (meter: CpuMeter) => meter.total() / done
  const [mine, its] = [each(ours), each(bare)]
  const digits = mine < 1 ? 3 : 1
  return `CPU of the process ${what}: ours ${mine.toFixed(digits)} ms, bare ${its.toFixed(digits)} ms, ${(mine / its).toFixed(2)} times`
}
