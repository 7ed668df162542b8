import { z } from 'zod'
import type { Cloud } from './cloud.js'
import { GuestError } from './guest.js'
import type { GuestSettings } from './guest.js'
import type { ApiAnswer } from './http.js'
import { attachmentsOf, changeGuest, freezeServer, shownGuest, thawServer } from './server-guest.js'
import type { ServerRecord } from './state.js'

const settings = z.strictObject({
  agent: z.enum(['present', 'absent', 'hung']).optional(),
  os: z.enum(['linux', 'windows']).optional(),
  filesystems: z.number().int().min(0).optional(),
  freeze: z.enum(['works', 'hangs', 'refused']).optional(),
  thawsAfterMs: z.number().positive().nullable().optional(),
})
const migration = z.strictObject({ host: z.string().min(1) })

/**
 * `/_sandbox/guests`: GET lists them; GET `/<server>` shows one; POST `/<server>` changes its settings, `…/freeze` and
 * `…/thaw` do what libvirt does, `…/migrate` moves it to another host. With `?host=` a server on another host is unknown,
 * as to that host's libvirt. A refusal is a 409 with libvirt's words.
 */
export async function guestAnswer(
  cloud: Cloud,
  request: { method: string; path: string; query: URLSearchParams; body: unknown },
): Promise<ApiAnswer> {
  const [, , id, verb] = request.path.split('/')
  if (id === undefined) {
    return { status: 200, body: { guests: [...cloud.state.servers.values()].map((one) => shownGuest(cloud, one)) } }
  }
  const server = cloud.state.servers.get(id)
  const host = request.query.get('host')
  if (server === undefined || (host !== null && server.host !== host)) {
    return { status: 404, body: { error: `failed to get domain '${id}'` } }
  }
  const shown = (): ApiAnswer => ({ status: 200, body: { guest: shownGuest(cloud, server) } })
  if (request.method === 'GET') return shown()
  if (request.method !== 'POST') return { status: 405, body: { error: 'GET or POST' } }
  switch (verb) {
    case undefined:
      return change(settings, request.body, (asked) => {
        changeGuest(server, asked as Partial<GuestSettings>)
        return shown()
      })
    case 'migrate':
      return change(migration, request.body, (asked) => {
        server.host = asked.host
        for (const attachment of attachmentsOf(cloud, server.id)) attachment.host = asked.host
        return shown()
      })
    case 'freeze':
    case 'thaw':
      return command(cloud, server, verb)
    default:
      return { status: 404, body: { error: 'there are freeze, thaw and migrate' } }
  }
}

async function command(cloud: Cloud, server: ServerRecord, verb: 'freeze' | 'thaw'): Promise<ApiAnswer> {
  try {
    const filesystems = verb === 'freeze' ? await freezeServer(cloud, server) : thawServer(cloud, server)
    return { status: 200, body: { filesystems } }
  } catch (error) {
    if (!(error instanceof GuestError)) throw error
    return { status: 409, body: { error: error.message, code: error.code } }
  }
}

function change<T>(schema: z.ZodType<T>, body: unknown, act: (asked: T) => ApiAnswer): ApiAnswer {
  const parsed = schema.safeParse(body ?? {})
  return parsed.success ? act(parsed.data) : { status: 400, body: { error: z.prettifyError(parsed.error) } }
}

/** `GET /_sandbox/snapshots`: what Cinder's API does not tell of them. */
export const snapshotsAnswer = (cloud: Cloud): ApiAnswer => ({
  status: 200,
  body: {
    snapshots: [...cloud.state.snapshots.values()].map(
      ({ id, name, volumeId, status, frozen, writes, globalRequestId }) => ({
        ...{ id, name, volumeId, status, frozen, writes, globalRequestId },
      }),
    ),
  },
})
