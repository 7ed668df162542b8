/**
 * The few functions of librados and librbd by which ranges of an image are read. Loaded only in a process of its own
 * (rbd-range-process.ts): a cluster that hangs makes them hang, and nothing but a process can be killed.
 */
import { constants } from 'node:os'
import koffi, { type KoffiFunc } from 'koffi'

/** A call failed; `errno` is what it returned, as a positive number. */
export class LibrbdError extends Error {
  override readonly name = 'LibrbdError'
  readonly errno: number

  constructor(what: string, errno: number) {
    super(`${what}: (${errno}) ${nameOf(errno)}`)
    this.errno = errno
  }
}

export interface ImageToOpen {
  conf: string
  user: string
  keyring: string | null
  pool: string
  image: string
  /** null for the image itself. */
  snapshot: string | null
}

export interface ReadableImage {
  size: number
  /** The RBD snapshot's id, or the image's. */
  identity: string
  /** Starts to read into the beginning of the memory, which belongs to the read until it has ended. */
  startRead(offset: number, length: number, memory: NativeMemory): PendingRead
  /** Ends the connection; to be called once, after all reads. */
  close(): Promise<void>
}

export interface PendingRead {
  /** To be called once. @throws LibrbdError */
  ended(): Promise<void>
}

/** Memory outside of the garbage collector's: it never moves. */
export interface NativeMemory {
  pointer: bigint
  bytes: Buffer
}

export function nativeMemory(length: number): NativeMemory {
  const pointer = koffi.alloc('uint8_t', length) as bigint
  return { pointer, bytes: Buffer.from(koffi.view(pointer, length)) }
}

/** @throws LibrbdError with the words of the `rbd` command, so that one place explains both */
export async function openLibrbdImage(wanted: ImageToOpen): Promise<ReadableImage> {
  const calls = bind()
  const cluster = out<bigint>()
  check(calls.create(cluster, wanted.user), "rbd: couldn't connect to the cluster!")
  check(calls.readConf(cluster[0], wanted.conf), `unable to open config file ${wanted.conf}`)
  for (const [name, value] of configuration(wanted)) check(calls.setConf(cluster[0], name, value), `rbd: ${name}`)
  check(await aside(calls.connect, cluster[0]), "rbd: couldn't connect to the cluster!")
  const pool = out<bigint>()
  check(await aside(calls.openPool, cluster[0], wanted.pool, pool), `rbd: error opening pool '${wanted.pool}'`)
  const image = out<bigint>()
  const opening = `rbd: error opening image ${wanted.image}${wanted.snapshot === null ? '' : `@${wanted.snapshot}`}`
  check(await aside(calls.openImage, pool[0], wanted.image, image, wanted.snapshot), opening)
  const size = out<number | bigint>()
  check(calls.getSize(image[0], size), 'rbd: size')

  return {
    size: Number(size[0]),
    identity: identify(calls, image[0], wanted.snapshot),
    startRead: (offset, length, memory) => startRead(calls, image[0], { offset, length, memory }),
    close: async () => {
      check(await aside(calls.closeImage, image[0]), 'rbd: close')
      await aside(calls.closePool, pool[0])
      await aside(calls.shutdown, cluster[0])
    },
  }
}

function configuration({ keyring }: ImageToOpen): [name: string, value: string][] {
  return [
    // every byte is read once: a cache would only copy it
    ['rbd_cache', 'false'],
    // as the programs of Ceph do, and libraries do not: what is wrong with a key is told there alone
    ['log_to_stderr', 'true'],
    ['err_to_stderr', 'true'],
    ...(keyring === null ? [] : ([['keyring', keyring]] as [string, string][])),
  ]
}

function identify(calls: Calls, image: bigint, snapshot: string | null): string {
  if (snapshot !== null) {
    const id = out<number | bigint>()
    check(calls.snapshotId(image, snapshot, id), `rbd: snapshot ${snapshot}`)
    return String(id[0])
  }
  const id = Buffer.alloc(256)
  check(calls.imageId(image, id, id.length), 'rbd: image id')
  return id.toString('latin1', 0, id.indexOf(0))
}

function startRead(
  calls: Calls,
  image: bigint,
  { offset, length, memory }: { offset: number; length: number; memory: NativeMemory },
): PendingRead {
  const what = `rbd: read of ${length} bytes at ${offset} failed`
  if (length > memory.bytes.length) throw new RangeError(`${length} bytes do not fit`)
  const completion = out<bigint>()
  check(calls.createCompletion(null, null, completion), what)
  const started = calls.read(image, offset, length, memory.pointer, completion[0])
  return {
    ended: async () => {
      check(started, what)
      // a turn in another thread costs more than many a read
      if (calls.isComplete(completion[0]) === 0) await aside(calls.waitFor, completion[0])
      const result = Number(calls.resultOf(completion[0]))
      calls.release(completion[0])
      check(Math.min(result, 0), what)
      if (result !== length) throw new LibrbdError(`${what}: ${result} bytes came`, constants.errno.EIO)
    },
  }
}

/** Where a function puts what it gives; null at first. */
type Out<T> = [T]

function out<T>(): Out<T> {
  return [null] as unknown as Out<T>
}

type Call<Args extends unknown[], Result = number> = KoffiFunc<(...args: Args) => Result>
type Handle = bigint

interface Calls {
  create: Call<[Out<Handle>, string]>
  readConf: Call<[Handle, string]>
  setConf: Call<[Handle, string, string]>
  connect: Call<[Handle]>
  shutdown: Call<[Handle], undefined>
  openPool: Call<[Handle, string, Out<Handle>]>
  closePool: Call<[Handle], undefined>
  openImage: Call<[Handle, string, Out<Handle>, string | null]>
  closeImage: Call<[Handle]>
  getSize: Call<[Handle, Out<number | bigint>]>
  imageId: Call<[Handle, Buffer, number]>
  snapshotId: Call<[Handle, string, Out<number | bigint>]>
  createCompletion: Call<[null, null, Out<Handle>]>
  read: Call<[Handle, number, number, bigint, Handle]>
  isComplete: Call<[Handle]>
  waitFor: Call<[Handle]>
  resultOf: Call<[Handle], number | bigint>
  release: Call<[Handle], undefined>
}

function bind(): Calls {
  const rados = koffi.load('librados.so.2')
  const rbd = koffi.load('librbd.so.1')
  return {
    create: rados.func('int rados_create(_Out_ void **cluster, const char *id)'),
    readConf: rados.func('int rados_conf_read_file(void *cluster, const char *path)'),
    setConf: rados.func('int rados_conf_set(void *cluster, const char *option, const char *value)'),
    connect: rados.func('int rados_connect(void *cluster)'),
    shutdown: rados.func('void rados_shutdown(void *cluster)'),
    openPool: rados.func('int rados_ioctx_create(void *cluster, const char *pool, _Out_ void **ioctx)'),
    closePool: rados.func('void rados_ioctx_destroy(void *ioctx)'),
    openImage: rbd.func(
      'int rbd_open_read_only(void *ioctx, const char *name, _Out_ void **image, const char *snapshot)',
    ),
    closeImage: rbd.func('int rbd_close(void *image)'),
    getSize: rbd.func('int rbd_get_size(void *image, _Out_ uint64_t *size)'),
    imageId: rbd.func('int rbd_get_id(void *image, void *id, size_t length)'),
    snapshotId: rbd.func('int rbd_snap_get_id(void *image, const char *name, _Out_ uint64_t *id)'),
    createCompletion: rbd.func(
      'int rbd_aio_create_completion(void *argument, void *callback, _Out_ void **completion)',
    ),
    read: rbd.func('int rbd_aio_read(void *image, uint64_t offset, size_t length, void *memory, void *completion)'),
    isComplete: rbd.func('int rbd_aio_is_complete(void *completion)'),
    waitFor: rbd.func('int rbd_aio_wait_for_complete(void *completion)'),
    resultOf: rbd.func('int64_t rbd_aio_get_return_value(void *completion)'),
    release: rbd.func('void rbd_aio_release(void *completion)'),
  }
}

/** Calls in another thread: the event loop must see when the parent has gone. */
async function aside<Args extends unknown[], Result>(call: Call<Args, Result>, ...args: Args): Promise<Result> {
  return new Promise((resolve, reject) => {
    call.async(...args, (error: unknown, result: Result) => {
      if (error instanceof Error) reject(error)
      else resolve(result)
    })
  })
}

function check(result: number, what: string): void {
  if (result < 0) throw new LibrbdError(what, -result)
}

function nameOf(errno: number): string {
  // the two by which rights are recognised are told as the `rbd` command tells them
  if (errno === constants.errno.EPERM) return 'Operation not permitted'
  if (errno === constants.errno.EACCES) return 'Permission denied'
  return Object.entries(constants.errno).find(([, value]) => value === errno)?.[0] ?? 'an error of Ceph'
}
