import type { IncomingHttpHeaders } from 'node:http'

/** One request as it came; tokens and passwords are not kept. */
export interface RecordedRequest {
  at: string
  method: string
  /** With its query: `/volume/v3/<project>/backups?limit=2`. */
  path: string
  /** null while it is being answered; 0 when it was never answered */
  status: number | null
  milliseconds: number | null
  /** The client's `X-Openstack-Request-Id`. */
  requestId: string | null
  /** As it was sent; null for Keystone, whose bodies hold secrets. */
  body: unknown
}

export interface Recorder {
  begin(method: string, path: string, headers: IncomingHttpHeaders, body: unknown): RecordedRequest
  end(entry: RecordedRequest, status: number): void
  requests: RecordedRequest[]
  /** The most that were being answered at the same time. */
  readonly maxConcurrent: number
  clear(): void
}

/** Keeps the last 10,000 requests. */
export function createRecorder(): Recorder {
  const requests: RecordedRequest[] = []
  const started = new Map<RecordedRequest, number>()
  let most = 0
  return {
    requests,
    get maxConcurrent() {
      return most
    },
    begin(method, path, headers, body) {
      const entry: RecordedRequest = {
        at: new Date().toISOString(),
        method,
        path,
        status: null,
        milliseconds: null,
        requestId: headers['x-openstack-request-id']?.toString() ?? null,
        body: path.startsWith('/identity') || path.startsWith('/_sandbox') ? null : (body ?? null),
      }
      if (!path.startsWith('/_sandbox')) requests.push(entry)
      if (requests.length > 10_000) requests.shift()
      started.set(entry, performance.now())
      most = Math.max(most, started.size)
      return entry
    },
    end(entry, status) {
      const start = started.get(entry)
      if (start === undefined) return
      started.delete(entry)
      entry.status = status
      entry.milliseconds = Math.round(performance.now() - start)
    },
    clear() {
      requests.length = 0
      most = started.size
    },
  }
}
