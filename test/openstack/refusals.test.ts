import type { ServerResponse } from 'node:http'
import { describe, expect, it } from 'vitest'
import { sendJson } from '../helpers/with-http.js'
import { fakeCloud, password, type Service } from './fake-cloud.js'

const get = { method: 'GET', path: '/volumes' } as const
const post = { method: 'POST', path: '/backups', json: { backup: {} } } as const

const answering =
  (status: number, body: unknown, headers: Record<string, string> = {}): Service =>
  (_received, response) => {
    sendJson(response, status, body, headers)
  }

describe('an answer that is no success', () => {
  it.each([
    [400, { badRequest: { message: 'Invalid volume: status must be available' } }, 'CK-CLOUD-BAD-REQUEST'],
    [403, { forbidden: { message: "Policy doesn't allow it" } }, 'CK-CLOUD-FORBIDDEN'],
    [404, { itemNotFound: { message: 'nothing of that name' } }, 'CK-CLOUD-NOT-FOUND'],
    [404, { itemNotFound: { message: 'Service cinder-backup could not be found.' } }, 'CK-CLOUD-UNAVAILABLE'],
    [405, {}, 'CK-CLOUD-BAD-REQUEST'],
    [406, { computeFault: { message: 'Version 3.99 is not supported' } }, 'CK-CLOUD-MICROVERSION'],
    [409, { conflictingRequest: { message: 'in use by Nova' } }, 'CK-CLOUD-CONFLICT'],
    [413, { overLimit: { message: 'SnapshotLimitExceeded', retryAfter: '0' } }, 'CK-CLOUD-QUOTA'],
    [413, {}, 'CK-CLOUD-BAD-REQUEST'],
    [429, {}, 'CK-CLOUD-RATE-LIMIT'],
    [501, {}, 'CK-CLOUD-BAD-REQUEST'],
    [503, { serviceUnavailable: { message: 'no backup service' } }, 'CK-CLOUD-UNAVAILABLE'],
  ])('%i %j to a POST is sent once and is %s', async (status, body, code) => {
    const cloud = await fakeCloud(answering(status, body))
    const error = await cloud.failure(cloud.connect().request('block-storage', post))
    expect(error).toMatchObject({ code, status, method: 'POST', path: '/backups' })
    const said = Object.values(body)[0] as { message: string } | undefined
    if (said !== undefined) expect(error.message).toContain(said.message)
    expect(error.cure).toBeTruthy()
    expect(cloud.calls).toHaveLength(1)
  })

  it('413 with Retry-After: 0 is a full quota for a GET too, and does not loop', async () => {
    const cloud = await fakeCloud(answering(413, { overLimit: { message: 'full' } }, { 'retry-after': '0' }))
    const session = cloud.connect()
    expect((await cloud.failure(session.request('block-storage', get))).code).toBe('CK-CLOUD-QUOTA')
    expect((await cloud.failure(session.request('block-storage', post))).code).toBe('CK-CLOUD-QUOTA')
    expect(cloud.calls).toHaveLength(2)
  })

  it.each([
    [413, '30', 30],
    [429, '7', 7],
    [429, undefined, null],
  ])('%i with Retry-After %s says how long to stay away: %s', async (status, header, seconds) => {
    const headers: Record<string, string> = header === undefined ? {} : { 'retry-after': header }
    const cloud = await fakeCloud(answering(status, { overLimit: { message: 'slow down' } }, headers))
    const error = await cloud.failure(cloud.connect().request('block-storage', get))
    expect(error).toMatchObject({ code: 'CK-CLOUD-RATE-LIMIT', retryAfterSeconds: seconds })
    expect(cloud.calls).toHaveLength(1)
  })

  it('reads a Retry-After that is a date', async () => {
    const later = new Date(Date.now() + 90_000).toUTCString()
    const cloud = await fakeCloud(answering(429, {}, { 'retry-after': later }))
    const error = await cloud.failure(cloud.connect().request('block-storage', post))
    const { retryAfterSeconds } = error as unknown as { retryAfterSeconds: number }
    expect(retryAfterSeconds).toBeGreaterThan(60)
    expect(retryAfterSeconds).toBeLessThanOrEqual(90)
  })

  it.each([500, 502, 504])('%i to what changes something may hide that it was done', async (status) => {
    const cloud = await fakeCloud(answering(status, {}))
    const session = cloud.connect()
    for (const method of ['POST', 'PUT', 'DELETE'] as const) {
      const error = await cloud.failure(session.request('block-storage', { method, path: '/backups/b' }))
      expect(error.code).toBe('CK-CLOUD-ANSWER-LOST')
    }
    expect(cloud.calls).toHaveLength(3)
  })

  it('is followed nowhere: a redirect would carry the token away', async () => {
    const cloud = await fakeCloud((_received, response) => {
      response.writeHead(302, { location: '/elsewhere' }).end()
    })
    const error = await cloud.failure(cloud.connect().request('block-storage', get))
    expect(error.code).toBe('CK-CLOUD-ANSWER-INVALID')
    expect(cloud.calls).toHaveLength(1)
  })

  it("tells a proxy's page in plain words, without what it echoes of our secrets", async () => {
    const cloud = await fakeCloud((received, response) => {
      response.writeHead(404, { 'content-type': 'text/html' })
      response.end(
        `<html><style>b{}</style><h1>Not here</h1>${String(received.headers['x-auth-token'])} ${password}</html>`,
      )
    })
    const error = await cloud.failure(cloud.connect().request('block-storage', get))
    expect(error).toMatchObject({ code: 'CK-CLOUD-NOT-FOUND', fault: null, said: 'Not here [secret] [secret]' })
  })
})

describe('a GET', () => {
  it('is asked again when the service fails, and then succeeds', async () => {
    const cloud = await fakeCloud((_received, response, count) => {
      sendJson(response, count === 1 ? 503 : 200, { volumes: [] })
    })
    const answer = await cloud.connect().request('block-storage', get)
    expect(answer.body).toEqual({ volumes: [] })
    expect(cloud.calls).toHaveLength(2)
  })

  it('is asked again after a reset connection, three times in all', async () => {
    const cloud = await fakeCloud(reset)
    const error = await cloud.failure(cloud.connect().request('block-storage', get))
    expect(error).toMatchObject({ code: 'CK-CLOUD-UNAVAILABLE', status: null })
    expect(cloud.calls).toHaveLength(3)
  })
})

describe('a POST whose answer does not come', () => {
  it('is lost when the connection is reset after it arrived, and is not sent again', async () => {
    const cloud = await fakeCloud(reset)
    const error = await cloud.failure(cloud.connect().request('block-storage', post))
    expect(error).toMatchObject({ code: 'CK-CLOUD-ANSWER-LOST', status: null })
    expect(cloud.calls).toHaveLength(1)
  })

  it('is lost when the answer does not come in time', async () => {
    const cloud = await fakeCloud(() => undefined)
    const error = await cloud.failure(cloud.connect({ timeoutSeconds: 0.3 }).request('block-storage', post))
    expect(error.code).toBe('CK-CLOUD-ANSWER-LOST')
    expect(cloud.calls).toHaveLength(1)
  })

  it('is lost when the answer ends in the middle', async () => {
    const cloud = await fakeCloud((_received, response) => {
      response.writeHead(202, { 'content-length': '1000' })
      response.write('{"backup": {')
      setImmediate(() => response.destroy())
    })
    const error = await cloud.failure(cloud.connect().request('block-storage', post))
    expect(error.code).toBe('CK-CLOUD-ANSWER-LOST')
    expect(cloud.calls).toHaveLength(1)
  })

  it('is known not to have been done when nobody listens', async () => {
    const cloud = await fakeCloud(reset)
    const endpointOverrides = { 'block-storage': 'http://127.0.0.1:1' }
    const error = await cloud.failure(cloud.connect({ endpointOverrides }).request('block-storage', post))
    expect(error).toMatchObject({ code: 'CK-CLOUD-UNAVAILABLE' })
    expect(error.message).toContain('ECONNREFUSED')
  })

  it('gets a connection of its own, so that an idle one that the server closes is no lost answer', async () => {
    const ports = new Set<number | undefined>()
    const cloud = await fakeCloud((_received, response: ServerResponse) => {
      ports.add(response.socket?.remotePort)
      sendJson(response, 202, {})
    })
    const session = cloud.connect()
    for (let round = 0; round < 3; round++) await session.request('block-storage', post)
    expect(ports.size).toBe(3)
  })
})

describe('a success', () => {
  it('without a body is null', async () => {
    const cloud = await fakeCloud((_received, response) => {
      response.writeHead(202).end()
    })
    expect((await cloud.connect().request('block-storage', { method: 'DELETE', path: '/backups/b' })).body).toBeNull()
  })

  it('that is no JSON is refused: something else answers there', async () => {
    const cloud = await fakeCloud((_received, response) => {
      response.writeHead(200, { 'content-type': 'text/html' }).end('<h1>Welcome</h1>')
    })
    const error = await cloud.failure(cloud.connect().request('block-storage', get))
    expect(error.code).toBe('CK-CLOUD-ANSWER-INVALID')
    expect(error.message).toContain('expected JSON, received text/html')
  })
})

const reset: Service = (_received, response) => {
  response.socket?.resetAndDestroy()
}
