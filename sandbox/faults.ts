import { randomUUID } from 'node:crypto'

/**
 * What Cinder does after it has answered, and what Nova does for an image of a server; the names that `stuck` and `fail`
 * match. `image.snapshot` is one of createImage's snapshots: `fail` is Cinder's refusal, `stuck` the end of nova-api in
 * the middle. `image.create` is the image itself, `server.thaw` the cast that thaws the guest.
 */
export type Work =
  | 'volume.create'
  | 'volume.delete'
  | 'volume.resize'
  | 'volume.attach'
  | 'volume.detach'
  | 'snapshot.create'
  | 'snapshot.delete'
  | 'backup.create'
  | 'backup.restore'
  | 'backup.delete'
  | 'image.snapshot'
  | 'image.create'
  | 'server.thaw'

/** Which requests a fault is for. */
interface OnRequest {
  /** `GET`, `POST`, …; any when absent */
  method?: string
  /** A regular expression that the path with its query must match, for example `/backups$`. */
  path?: string
  /** A regular expression that the body, as compact JSON, must match: which of several objects is meant. */
  body?: string
}

/** The kinds of trouble that can be asked for. */
export type FaultKind =
  /** An answer with this status, and nothing done. `retryAfter` becomes the header. */
  | ({ kind: 'status'; status: number; message?: string; retryAfter?: string } & OnRequest)
  /** No answer and nothing done, until the client gives up. */
  | ({ kind: 'hang' } & OnRequest)
  /** The right answer, this much later. */
  | ({ kind: 'slow'; milliseconds: number } & OnRequest)
  /** The work is done, and the connection closed instead of an answer. */
  | ({ kind: 'lost-answer' } & OnRequest)
  /** The object stays as it is (`creating`, `backing-up`, `restoring`, `deleting`, …) for ever. */
  | { kind: 'stuck'; work: Work }
  /** The work fails afterwards; `reason` becomes the backup's `fail_reason`. */
  | { kind: 'fail'; work: Work; reason?: string }
  /** A notification is not published, published twice, or held back until `by` others (1) have passed it. */
  | { kind: 'lose-notification'; event?: string }
  | { kind: 'double-notification'; event?: string }
  | { kind: 'hold-notification'; event?: string; by?: number }
  /** A backup is damaged while Cinder calls it `available`: the named one now, else the next that finishes. */
  | { kind: 'damage-backup'; how: 'flip' | 'truncate' | 'gone'; backup?: string }
  /** No cinder-backup is up: creates are accepted and then fail. Until removed. */
  | { kind: 'no-backup-service' }

/** `nth`: the first match that is hit (1). `count`: how many are hit from there (1; `no-backup-service`: all). */
export type Fault = FaultKind & { nth?: number; count?: number }

/** A fault as it stands: how often it matched, and how often it struck. */
export type StandingFault = Fault & { id: string; seen: number; hits: number }

export interface Faults {
  /** @returns its id */
  add(fault: Fault): string
  list(): StandingFault[]
  remove(id: string): boolean
  clear(): void
  /** The fault to strike now, if any; counts the match. */
  strike<K extends Fault['kind']>(
    kinds: readonly K[],
    matches: (fault: Extract<StandingFault, { kind: K }>) => boolean,
  ): Extract<StandingFault, { kind: K }> | undefined
}

/** @param added called for each new fault, for those that strike at once */
export function createFaults(added: (fault: StandingFault) => void): Faults {
  const standing = new Map<string, StandingFault>()
  return {
    add(fault) {
      const entry = { ...fault, id: randomUUID(), seen: 0, hits: 0 }
      standing.set(entry.id, entry)
      added(entry)
      return entry.id
    },
    list: () => [...standing.values()].map((fault) => ({ ...fault })),
    remove: (id) => standing.delete(id),
    clear: () => {
      standing.clear()
    },
    strike<K extends Fault['kind']>(
      kinds: readonly K[],
      matches: (fault: Extract<StandingFault, { kind: K }>) => boolean,
    ) {
      for (const entry of standing.values()) {
        if (!isKind(entry, kinds) || !matches(entry)) continue
        entry.seen += 1
        const first = entry.nth ?? 1
        const count = entry.count ?? (entry.kind === 'no-backup-service' ? Infinity : 1)
        if (entry.seen < first || entry.seen >= first + count) continue
        entry.hits += 1
        return entry
      }
      return undefined
    },
  }
}

function isKind<K extends Fault['kind']>(
  fault: StandingFault,
  kinds: readonly K[],
): fault is Extract<StandingFault, { kind: K }> {
  return (kinds as readonly string[]).includes(fault.kind)
}

/** Whether a fault on requests is for this one. */
export function isForRequest(fault: OnRequest, method: string, path: string, body: unknown): boolean {
  return (
    (fault.method === undefined || fault.method.toUpperCase() === method) &&
    (fault.path === undefined || new RegExp(fault.path).test(path)) &&
    (fault.body === undefined || new RegExp(fault.body).test(JSON.stringify(body ?? null)))
  )
}
