/** The processes that a process started: what must not outlive it when it is killed. */
import { readdir, readFile } from 'node:fs/promises'

export interface ProcessSeen {
  pid: number
  /** Tells it from a later one with the same number. */
  startedAt: string
  command: string
}

interface Stat extends ProcessSeen {
  parent: number
  state: string
}

/** Everything below that process, now. */
export async function descendantsOf(pid: number): Promise<ProcessSeen[]> {
  const all = (await Promise.all((await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(statOf))).filter(
    (one) => one !== null,
  )
  const found: Stat[] = []
  let parents = new Set([pid])
  while (parents.size > 0) {
    const children = all.filter(({ parent }) => parents.has(parent))
    found.push(...children)
    parents = new Set(children.map((child) => child.pid))
  }
  return found.map(({ pid, startedAt, command }) => ({ pid, startedAt, command }))
}

/** Which of them still live. One that waits for its parent to notice its end (a zombie) does not. */
export async function living(seen: ProcessSeen[]): Promise<ProcessSeen[]> {
  const now = await Promise.all(seen.map(async ({ pid }) => statOf(String(pid))))
  return seen.filter((one, at) => {
    const stat = now[at]
    return stat != null && stat.startedAt === one.startedAt && stat.state !== 'Z'
  })
}

/** null when it has ended. */
async function statOf(pid: string): Promise<Stat | null> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => null)
  // the command is in brackets and may hold anything
  const [, command = '', rest = ''] = /^\d+ \((.*)\) (.*)$/s.exec(text ?? '') ?? []
  const fields = rest.split(' ')
  if (fields.length < 20) return null
  return { pid: Number(pid), parent: Number(fields[1]), state: fields[0] ?? '', startedAt: fields[19] ?? '', command }
}
