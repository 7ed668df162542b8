import { connect, createServer } from 'node:net'

/**
 * `count` ports of 127.0.0.1 that nobody listens on just now, all different.
 * @param within between these two; anywhere without it
 */
export async function freePorts(count: number, within?: [from: number, to: number]): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, () => (within === undefined ? listen(0) : listenWithin(within))),
  )
  const ports = servers.map((server) => {
    const address = server.address()
    if (address === null || typeof address === 'string') throw new Error('a TCP server has a port')
    return address.port
  })
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))))
  return ports
}

async function listenWithin([from, to]: [number, number]): Promise<ReturnType<typeof createServer>> {
  for (;;) {
    try {
      return await listen(from + Math.floor(Math.random() * (to - from)))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error
    }
  }
}

async function listen(port: number): Promise<ReturnType<typeof createServer>> {
  const server = createServer()
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, '127.0.0.1', resolve)
  })
  return server
}

/** Whether anything accepts connections there within a second. */
export async function answers(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: 1000 })
    const end = (answer: boolean) => {
      socket.destroy()
      resolve(answer)
    }
    socket.once('connect', () => {
      end(true)
    })
    socket.once('timeout', () => {
      end(false)
    })
    socket.once('error', () => {
      end(false)
    })
  })
}
