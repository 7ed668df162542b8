import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'

/** One request as it arrived. */
export interface Received {
  method: string
  path: string
  query: URLSearchParams
  headers: IncomingMessage['headers']
  /** Parsed where it is JSON, else the text; undefined without a body. */
  body: unknown
}

export type Answerer = (received: Received, response: ServerResponse) => void | Promise<void>

export interface HttpServer {
  /** `http://127.0.0.1:<port>`, or https. */
  url: string
  received: Received[]
  /** How many connections are open now. */
  connections(): Promise<number>
  close(): Promise<void>
}

/** A real server on a port of its own. What `answer` throws is a 500 that the test's client sees. */
export async function startHttp(answer: Answerer, tls?: { key: string; cert: string }): Promise<HttpServer> {
  const received: Received[] = []
  const listener = (request: IncomingMessage, response: ServerResponse) => {
    void (async () => {
      try {
        const one = await receive(request)
        received.push(one)
        await answer(one, response)
      } catch (error) {
        response.statusCode = 500
        response.end(String(error))
      }
    })()
  }
  const server: Server = tls === undefined ? createServer(listener) : createTlsServer(tls, listener)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${port}`,
    received,
    connections: () =>
      new Promise((resolve, reject) => {
        server.getConnections((error, count) => {
          if (error === null) resolve(count)
          else reject(error)
        })
      }),
    close: () =>
      new Promise((resolve) => {
        server.close(() => {
          resolve()
        })
        server.closeAllConnections()
      }),
  }
}

/** Answers with JSON. */
export function sendJson(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers })
  response.end(body === undefined ? '' : JSON.stringify(body))
}

async function receive(request: IncomingMessage): Promise<Received> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  const text = Buffer.concat(chunks).toString()
  const url = new URL(request.url ?? '/', 'http://server')
  return {
    method: request.method ?? '',
    path: url.pathname,
    query: url.searchParams,
    headers: request.headers,
    body: text === '' ? undefined : parse(text),
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}
