import { createServer, request, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** One request to Cinder and what Cinder answered to it. */
export interface Exchange {
  method: string
  /** With the project and the query. */
  path: string
  requestBody: string
  status: number
  responseBody: string
}

/** Stands between Cinderkeep and Cinder, and tells of each answer before it is passed on. */
export interface CinderProxy {
  url: string
  /** Cinder has done what it was asked; while this runs, the asker waits. `drop`: the answer never arrives. */
  onAnswer: (exchange: Exchange) => Promise<'pass' | 'drop'>
  close(): Promise<void>
}

/** @param upstream Cinder's address, `http://host:port/v3` */
export async function startCinderProxy(upstream: string): Promise<CinderProxy> {
  const { hostname, port, pathname } = new URL(upstream)
  const server = createServer((incoming, outgoing) => {
    forward(incoming, outgoing).catch(() => outgoing.destroy())
  })

  async function forward(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const requestBody = await bytesOf(incoming)
    const { method = 'GET', url: path = '/', headers } = incoming
    const answer = await new Promise<IncomingMessage>((resolve, reject) => {
      // `host` stays the proxy's own: links in answers lead back here
      request({ hostname, port, method, path, headers }, resolve).on('error', reject).end(requestBody)
    })
    const body = await bytesOf(answer)
    const status = answer.statusCode ?? 0
    const texts = { requestBody: requestBody.toString(), responseBody: body.toString() }
    if ((await proxy.onAnswer({ method, path, status, ...texts })) === 'drop') {
      outgoing.destroy()
      return
    }
    outgoing.writeHead(status, answer.headers)
    outgoing.end(body)
  }

  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const proxy: CinderProxy = {
    url: `http://127.0.0.1:${String((server.address() as AddressInfo).port)}${pathname}`,
    onAnswer: async () => Promise.resolve('pass'),
    close: async () => {
      server.closeAllConnections()
      await new Promise<void>((resolve) => {
        server.close(() => {
          resolve()
        })
      })
    },
  }
  return proxy
}

async function bytesOf(message: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of message) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}
