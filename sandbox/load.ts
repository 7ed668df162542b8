/** What was there, or was being made, at the same time: what limits are tested against. */
export type LoadKind = 'snapshot' | 'backup'

/** One snapshot from its request to its end, or one backup while it was being made. */
export interface LoadEntry {
  kind: LoadKind
  id: string
  projectId: string
  volumeId: string
  /** Milliseconds of `performance.now()`. */
  began: number
  /** null: not yet. */
  ended: number | null
}

export interface Load {
  /** In the order in which they began. */
  entries: LoadEntry[]
  began(kind: LoadKind, one: { id: string; projectId: string; volumeId: string }): void
  ended(kind: LoadKind, id: string): void
  /** The most that there were at the same time. */
  most(kind: LoadKind): number
}

export function createLoad(): Load {
  const entries: LoadEntry[] = []
  const open = new Map<string, LoadEntry>()
  const now = { snapshot: 0, backup: 0 }
  const most = { snapshot: 0, backup: 0 }
  return {
    entries,
    began(kind, { id, projectId, volumeId }) {
      const entry = { kind, id, projectId, volumeId, began: performance.now(), ended: null }
      entries.push(entry)
      open.set(`${kind} ${id}`, entry)
      now[kind] += 1
      most[kind] = Math.max(most[kind], now[kind])
    },
    ended(kind, id) {
      const entry = open.get(`${kind} ${id}`)
      if (entry === undefined) return
      open.delete(`${kind} ${id}`)
      entry.ended = performance.now()
      now[kind] -= 1
    },
    most: (kind) => most[kind],
  }
}
