/**
 * Where leaves are best hashed: how fast a pipe is read and hashed on the main thread, on Node's thread pool, and on
 * worker threads; how long the event loop, on which heartbeats depend, waits meanwhile. `node dist/bench/hashing.js`
 */
import { spawn } from 'node:child_process'
import { subtle } from 'node:crypto'
import { availableParallelism, cpus } from 'node:os'
import { monitorEventLoopDelay, performance } from 'node:perf_hooks'
import { isMainThread, parentPort, Worker } from 'node:worker_threads'
import { hashLeaf, leafBytes } from '../source/hash-fold.js'
import { createHashTree } from '../source/hash-tree.js'

const gib = 1024 ** 3
const streamBytes = gib
/** Leaves that wait for their hash: enough for every thread, few enough for memory. */
const ahead = 4

type Hashing = (chunks: AsyncIterable<Buffer>) => Promise<void>

const readOnly: Hashing = async (chunks) => {
  let length = 0
  for await (const chunk of chunks) length += chunk.length
  if (length !== streamBytes) throw new Error(`${length} bytes came`)
}

const onMainThread: Hashing = async (chunks) => {
  const tree = createHashTree(streamBytes)
  let offset = 0
  for await (const data of chunks) {
    tree.add({ offset, data })
    offset += data.length
  }
  tree.finish()
}

/** Whole leaves of one copy each; as many at once as `ahead`. */
function aside(hash: (prefixed: Uint8Array<ArrayBuffer>) => Promise<unknown>): Hashing {
  return async (chunks) => {
    const running: Promise<unknown>[] = []
    let leaf = new Uint8Array(1 + leafBytes)
    let filled = 0
    for await (const chunk of chunks) {
      for (let done = 0; done < chunk.length;) {
        const length = Math.min(chunk.length - done, leafBytes - filled)
        leaf.set(chunk.subarray(done, done + length), 1 + filled)
        done += length
        filled += length
        if (filled < leafBytes) continue
        running.push(hash(leaf))
        if (running.length >= ahead) await running.shift()
        leaf = new Uint8Array(1 + leafBytes)
        filled = 0
      }
    }
    await Promise.all(running)
  }
}

const onThreadPool = aside(async (leaf) => subtle.digest('SHA-256', leaf))

function onWorkers(count: number): Hashing & { end(): Promise<void> } {
  const workers = Array.from({ length: count }, () => {
    const worker = new Worker(new URL(import.meta.url))
    const waiting: (() => void)[] = []
    worker.on('message', () => waiting.shift()?.())
    return { worker, waiting }
  })
  let turn = 0
  const hashing = aside(
    async (leaf) =>
      new Promise<void>((resolve) => {
        const one = workers[turn % count]
        turn += 1
        one?.waiting.push(resolve)
        one?.worker.postMessage(leaf, [leaf.buffer])
      }),
  )
  return Object.assign(hashing, {
    end: async () => {
      await Promise.all(workers.map(async ({ worker }) => worker.terminate()))
    },
  })
}

function pipe(): AsyncIterable<Buffer> {
  // as much in one write as `rbd export-diff` gives
  const args = ['if=/dev/zero', 'bs=4M', `count=${streamBytes / leafBytes}`, 'status=none']
  const child = spawn('dd', args, { stdio: ['ignore', 'pipe', 'inherit'] })
  return child.stdout as AsyncIterable<Buffer>
}

async function measure(name: string, streams: number, hashing: Hashing): Promise<void> {
  const delay = monitorEventLoopDelay({ resolution: 1 })
  const cpu = process.cpuUsage()
  const started = performance.now()
  delay.enable()
  await Promise.all(Array.from({ length: streams }, async () => hashing(pipe())))
  delay.disable()
  const seconds = (performance.now() - started) / 1000
  const { user, system } = process.cpuUsage(cpu)
  const figures = [
    `${((streams * streamBytes) / gib / seconds).toFixed(2)} GiB/s`,
    `${((user + system) / 1e6 / streams).toFixed(2)} s of CPU a GiB (${(system / 1e6 / streams).toFixed(2)} s of the system)`,
    `event loop at most ${(delay.max / 1e6).toFixed(0)} ms late, 99 % within ${(delay.percentile(99) / 1e6).toFixed(0)} ms`,
  ]
  process.stdout.write(`${name}, ${streams} at a time: ${figures.join(', ')}\n`)
}

if (isMainThread) {
  process.stdout.write(`${cpus()[0]?.model ?? 'unknown'}, ${availableParallelism()} threads\n`)
  const workers = onWorkers(2)
  for (const streams of [1, 2]) {
    await measure('read only', streams, readOnly)
    await measure('main thread', streams, onMainThread)
    await measure("Node's thread pool", streams, onThreadPool)
    await measure('2 worker threads', streams, workers)
  }
  await workers.end()
} else {
  parentPort?.on('message', (leaf: Uint8Array) => parentPort?.postMessage(hashLeaf(leaf)))
}
