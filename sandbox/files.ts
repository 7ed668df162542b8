import { spawn } from 'node:child_process'
import { open, rm } from 'node:fs/promises'

/** Makes a file of `bytes` that holds nothing yet, or changes the size of one that exists. */
export async function makeSparse(path: string, bytes: number): Promise<void> {
  const file = await open(path, 'a+')
  try {
    await file.truncate(bytes)
  } finally {
    await file.close()
  }
}

/** Copies without filling holes: by reflink where the filesystem can, else only what holds data. */
export async function copySparse(from: string, to: string): Promise<void> {
  await rm(to, { force: true })
  if (process.platform === 'linux') await copyWithCp(from, to)
  else await copyByReading(from, to)
}

function copyWithCp(from: string, to: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn('cp', ['--sparse=always', '--reflink=auto', '--', from, to], {
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    let complaint = ''
    child.stderr.on('data', (chunk: Buffer) => (complaint += chunk.toString()))
    child.on('error', reject)
    child.on('close', (code) => {
      if (code === 0) resolve()
      else reject(new Error(`cp of ${from} ended with ${code ?? 'a signal'}: ${complaint.trim()}`))
    })
  })
}

const step = 1 << 20
const zeros = Buffer.alloc(step)

async function copyByReading(from: string, to: string): Promise<void> {
  const source = await open(from, 'r')
  const target = await open(to, 'w')
  try {
    const { size } = await source.stat()
    const buffer = Buffer.alloc(step)
    await target.truncate(size)
    for (let at = 0; at < size; at += step) {
      const { bytesRead } = await source.read(buffer, 0, step, at)
      if (buffer.compare(zeros, 0, bytesRead, 0, bytesRead) !== 0) await target.write(buffer, 0, bytesRead, at)
    }
  } finally {
    await source.close()
    await target.close()
  }
}

/** Whether a file holds the same bytes as another at `at`; a shorter file differs. */
export async function sameBlock(a: string, b: string, at: number, bytes: number): Promise<boolean> {
  const [left, right] = await Promise.all([readBlock(a, at, bytes), readBlock(b, at, bytes)])
  return left.equals(right)
}

export async function readBlock(path: string, at: number, bytes: number): Promise<Buffer> {
  const file = await open(path, 'r')
  try {
    const buffer = Buffer.alloc(bytes)
    const { bytesRead } = await file.read(buffer, 0, bytes, at)
    return buffer.subarray(0, bytesRead)
  } finally {
    await file.close()
  }
}

export async function writeBlock(path: string, at: number, block: Buffer): Promise<void> {
  const file = await open(path, 'r+')
  try {
    await file.write(block, 0, block.length, at)
  } finally {
    await file.close()
  }
}

/** The first 4 KiB block that is not all zeros, or 0 when there is none. */
export async function firstDataOffset(path: string): Promise<number> {
  const file = await open(path, 'r')
  try {
    const { size } = await file.stat()
    const buffer = Buffer.alloc(step)
    for (let at = 0; at < size; at += step) {
      const { bytesRead } = await file.read(buffer, 0, step, at)
      if (buffer.compare(zeros, 0, bytesRead, 0, bytesRead) === 0) continue
      for (let inner = 0; inner < bytesRead; inner += 4096) {
        const end = Math.min(inner + 4096, bytesRead)
        if (buffer.compare(zeros, 0, end - inner, inner, end) !== 0) return at + inner
      }
    }
    return 0
  } finally {
    await file.close()
  }
}
