import { readdirSync, readFileSync } from 'node:fs'

const everyMs = 50

/**
 * The most memory that a process and all its children had at once: the sum of what each has resident, looked at twenty
 * times a second. Pages that two of them share count twice.
 */
export function watchMemory(pid: number): { stop(): number } {
  let peak = 0
  const timer = setInterval(() => {
    peak = Math.max(peak, residentMb(pid))
  }, everyMs)
  return {
    stop() {
      clearInterval(timer)
      return Math.max(peak, residentMb(pid))
    },
  }
}

function residentMb(root: number): number {
  const parents = new Map<number, number>()
  for (const name of readdirSync('/proc')) {
    const status = /^\d+$/.test(name) ? read(`/proc/${name}/stat`) : null
    // the program's name, in parentheses, may hold anything
    const parent = status?.slice(status.lastIndexOf(')') + 2).split(' ')[1]
    if (parent !== undefined) parents.set(Number(name), Number(parent))
  }
  let kib = 0
  for (const pid of parents.keys()) {
    if (!descends(pid, root, parents)) continue
    kib += Number(/^VmRSS:\s+(\d+)/m.exec(read(`/proc/${String(pid)}/status`) ?? '')?.[1] ?? 0)
  }
  return (kib * 1024) / 1e6
}

function descends(pid: number, root: number, parents: Map<number, number>): boolean {
  for (let at: number | undefined = pid; at !== undefined && at > 1; at = parents.get(at)) if (at === root) return true
  return false
}

/** null when it has ended meanwhile. */
function read(path: string): string | null {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return null
  }
}
