/** The records of a stream of `rbd import-diff`, version 1, as bytes; source/rbd-diff-stream.ts reads them. */

const banner = 'rbd diff v1\n'

/** What stands before all data. @param size of the image, in bytes */
export function diffHead({ from, to, size }: { from: string | null; to: string | null; size: number }): Buffer {
  const sized = numbers('s', size)
  return Buffer.concat([Buffer.from(banner), named('f', from), named('t', to), sized])
}

/** What stands before so many bytes of data. */
export function diffDataHead(offset: number, length: number): Buffer {
  return numbers('w', offset, length)
}

export function diffZero(offset: number, length: number): Buffer {
  return numbers('z', offset, length)
}

export const diffEnd: Buffer = Buffer.from('e')

function named(tag: 'f' | 't', name: string | null): Buffer {
  if (name === null) return Buffer.alloc(0)
  const length = Buffer.alloc(4)
  length.writeUInt32LE(Buffer.byteLength(name))
  return Buffer.concat([Buffer.from(tag), length, Buffer.from(name)])
}

function numbers(tag: string, ...values: number[]): Buffer {
  const bytes = Buffer.alloc(1 + 8 * values.length)
  bytes.write(tag)
  values.forEach((value, at) => bytes.writeBigUInt64LE(BigInt(value), 1 + 8 * at))
  return bytes
}
