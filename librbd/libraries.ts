/**
 * The functions of librados, librbd and libcrypto that this room calls. Loaded only in a process of its own (process.ts): a
 * cluster that hangs makes them hang, and nothing but a process can be killed.
 */
import koffi, { type KoffiFunc, type LibraryHandle } from 'koffi'

/** Where a function puts what it gives; null at first. */
export type Out<T> = [T]

export function out<T>(): Out<T> {
  return [null] as unknown as Out<T>
}

export type Handle = bigint
type Call<Args extends unknown[], Result = number> = KoffiFunc<(...args: Args) => Result>
type Whole = number | bigint
/** `(offset, length, exists)`; what it returns is what stops the search, 0 does not. */
export type DiffFound = (offset: Whole, length: Whole, exists: number) => number

export interface Libraries {
  create: Call<[Out<Handle>, string]>
  readConf: Call<[Handle, string]>
  setConf: Call<[Handle, string, string]>
  connect: Call<[Handle]>
  shutdown: Call<[Handle], undefined>
  openPool: Call<[Handle, string, Out<Handle>]>
  closePool: Call<[Handle], undefined>
  failWhenFull: Call<[Handle], undefined>
  fsid: Call<[Handle, Buffer, number]>
  blocklist: Call<[Handle, string, number]>
  readObject: Call<[Handle, string, Buffer, number, number]>
  writeObject: Call<[Handle, string, Buffer, number]>
  removeObject: Call<[Handle, string]>
  statObject: Call<[Handle, string, Out<Whole>, Out<Whole>]>

  openImage: Call<[Handle, string, Out<Handle>, string | null]>
  openReadOnly: Call<[Handle, string, Out<Handle>, string | null]>
  closeImage: Call<[Handle]>
  createImage: Call<[Handle, string, number, number, [number]]>
  listImages: Call<[Handle, Buffer, [number]]>
  removeImage: Call<[Handle, string]>
  size: Call<[Handle, Out<Whole>]>
  flags: Call<[Handle, Out<Whole>]>
  imageId: Call<[Handle, Buffer, number]>
  resize: Call<[Handle, number]>
  rollback: Call<[Handle, string]>
  createSnapshot: Call<[Handle, string]>
  removeSnapshot: Call<[Handle, number]>
  namespaceOf: Call<[Handle, number, Out<number>]>
  originalName: Call<[Handle, number, Buffer, number]>
  snapshotId: Call<[Handle, string, Out<Whole>]>
  listSnapshots: Call<[Handle, Buffer, [number]]>
  endSnapshots: Call<[Buffer], undefined>
  listMeta: Call<[Handle, string, number, Buffer, [number], Buffer, [number]]>
  setMeta: Call<[Handle, string, string]>
  removeMeta: Call<[Handle, string]>
  listWatchers: Call<[Handle, Buffer, [number]]>
  endWatchers: Call<[Buffer, number]>
  listLockers: Call<[Handle, Out<number>, ...(Buffer | [number])[]]>
  breakLock: Call<[Handle, string, string]>
  diff: Call<[Handle, string | null, number, number, number, number, bigint, null]>

  createCompletion: Call<[null, null, Out<Handle>]>
  read: Call<[Handle, number, number, bigint, Handle, number]>
  write: Call<[Handle, number, number, bigint, Handle, number]>
  writeZeroes: Call<[Handle, number, number, Handle, number, number]>
  flush: Call<[Handle]>
  isComplete: Call<[Handle]>
  waitFor: Call<[Handle]>
  resultOf: Call<[Handle], Whole>
  release: Call<[Handle], undefined>

  sha256: Call<[bigint, number, Buffer], bigint | null>
}

const diffFound = koffi.proto('int DiffFound(uint64_t offset, size_t length, int exists, void *argument)')

/** A function that C may call, also from another thread. Whoever made it must end it. */
export function callable(found: DiffFound): { pointer: bigint; end: () => void } {
  const pointer = koffi.register(found, koffi.pointer(diffFound))
  return {
    pointer,
    end: () => {
      koffi.unregister(pointer)
    },
  }
}

/** The string that C keeps at an address. */
export function textAt(address: bigint): string {
  return koffi.decode(address, 'char', -1) as string
}

/** Memory outside of the garbage collector's: it never moves. */
export function nativeMemory(length: number): { pointer: bigint; bytes: Buffer } {
  const pointer = koffi.alloc('uint8_t', length) as bigint
  return { pointer, bytes: Buffer.from(koffi.view(pointer, length)) }
}

let loaded: Libraries | undefined

export function libraries(): Libraries {
  return (loaded ??= load())
}

function load(): Libraries {
  const rados = koffi.load('librados.so.2')
  const rbd = koffi.load('librbd.so.1')
  const crypto = loadFirst('libcrypto.so.3', 'libcrypto.so.1.1')
  return {
    create: rados.func('int rados_create(_Out_ void **cluster, const char *id)'),
    readConf: rados.func('int rados_conf_read_file(void *cluster, const char *path)'),
    setConf: rados.func('int rados_conf_set(void *cluster, const char *option, const char *value)'),
    connect: rados.func('int rados_connect(void *cluster)'),
    shutdown: rados.func('void rados_shutdown(void *cluster)'),
    openPool: rados.func('int rados_ioctx_create(void *cluster, const char *pool, _Out_ void **ioctx)'),
    closePool: rados.func('void rados_ioctx_destroy(void *ioctx)'),
    failWhenFull: rados.func('void rados_set_pool_full_try(void *ioctx)'),
    fsid: rados.func('int rados_cluster_fsid(void *cluster, void *text, size_t length)'),
    blocklist: rados.func('int rados_blocklist_add(void *cluster, const char *address, uint32_t seconds)'),
    readObject: rados.func(
      'int rados_read(void *ioctx, const char *name, void *bytes, size_t length, uint64_t offset)',
    ),
    writeObject: rados.func('int rados_write_full(void *ioctx, const char *name, void *bytes, size_t length)'),
    removeObject: rados.func('int rados_remove(void *ioctx, const char *name)'),
    statObject: rados.func(
      'int rados_stat(void *ioctx, const char *name, _Out_ uint64_t *size, _Out_ int64_t *changed)',
    ),

    openImage: rbd.func('int rbd_open(void *ioctx, const char *name, _Out_ void **image, const char *snapshot)'),
    openReadOnly: rbd.func(
      'int rbd_open_read_only(void *ioctx, const char *name, _Out_ void **image, const char *snapshot)',
    ),
    closeImage: rbd.func('int rbd_close(void *image)'),
    createImage: rbd.func(
      'int rbd_create2(void *ioctx, const char *name, uint64_t size, uint64_t features, _Inout_ int *order)',
    ),
    listImages: rbd.func('int rbd_list(void *ioctx, void *names, _Inout_ size_t *length)'),
    removeImage: rbd.func('int rbd_remove(void *ioctx, const char *name)'),
    size: rbd.func('int rbd_get_size(void *image, _Out_ uint64_t *size)'),
    flags: rbd.func('int rbd_get_flags(void *image, _Out_ uint64_t *flags)'),
    imageId: rbd.func('int rbd_get_id(void *image, void *id, size_t length)'),
    resize: rbd.func('int rbd_resize(void *image, uint64_t size)'),
    rollback: rbd.func('int rbd_snap_rollback(void *image, const char *name)'),
    createSnapshot: rbd.func('int rbd_snap_create(void *image, const char *name)'),
    removeSnapshot: rbd.func('int rbd_snap_remove_by_id(void *image, uint64_t id)'),
    namespaceOf: rbd.func('int rbd_snap_get_namespace_type(void *image, uint64_t id, _Out_ int *type)'),
    originalName: rbd.func('int rbd_snap_get_trash_namespace(void *image, uint64_t id, void *name, size_t length)'),
    snapshotId: rbd.func('int rbd_snap_get_id(void *image, const char *name, _Out_ uint64_t *id)'),
    listSnapshots: rbd.func('int rbd_snap_list(void *image, void *snapshots, _Inout_ int *most)'),
    endSnapshots: rbd.func('void rbd_snap_list_end(void *snapshots)'),
    listMeta: rbd.func(
      'int rbd_metadata_list(void *image, const char *start, uint64_t most, void *keys, _Inout_ size_t *keysLength, void *values, _Inout_ size_t *valuesLength)',
    ),
    setMeta: rbd.func('int rbd_metadata_set(void *image, const char *key, const char *value)'),
    removeMeta: rbd.func('int rbd_metadata_remove(void *image, const char *key)'),
    listWatchers: rbd.func('int rbd_watchers_list(void *image, void *watchers, _Inout_ size_t *most)'),
    endWatchers: rbd.func('int rbd_watchers_list_cleanup(void *watchers, size_t count)'),
    listLockers: rbd.func(
      'int64_t rbd_list_lockers(void *image, _Out_ int *exclusive, void *tag, _Inout_ size_t *tagLength, void *clients, _Inout_ size_t *clientsLength, void *cookies, _Inout_ size_t *cookiesLength, void *addresses, _Inout_ size_t *addressesLength)',
    ),
    breakLock: rbd.func('int rbd_break_lock(void *image, const char *client, const char *cookie)'),
    diff: rbd.func(
      'int rbd_diff_iterate2(void *image, const char *from, uint64_t offset, uint64_t length, uint8_t parent, uint8_t wholeObject, void *found, void *argument)',
    ),

    createCompletion: rbd.func(
      'int rbd_aio_create_completion(void *argument, void *callback, _Out_ void **completion)',
    ),
    read: rbd.func(
      'int rbd_aio_read2(void *image, uint64_t offset, size_t length, void *memory, void *completion, int flags)',
    ),
    write: rbd.func(
      'int rbd_aio_write2(void *image, uint64_t offset, size_t length, void *memory, void *completion, int flags)',
    ),
    writeZeroes: rbd.func(
      'int rbd_aio_write_zeroes(void *image, uint64_t offset, size_t length, void *completion, int zeroFlags, int flags)',
    ),
    flush: rbd.func('int rbd_flush(void *image)'),
    isComplete: rbd.func('int rbd_aio_is_complete(void *completion)'),
    waitFor: rbd.func('int rbd_aio_wait_for_complete(void *completion)'),
    resultOf: rbd.func('int64_t rbd_aio_get_return_value(void *completion)'),
    release: rbd.func('void rbd_aio_release(void *completion)'),

    sha256: crypto.func('void *SHA256(void *bytes, size_t length, void *hash)'),
  }
}

/** librados brings one of them with it. */
function loadFirst(first: string, second: string): LibraryHandle {
  try {
    return koffi.load(first)
  } catch {
    return koffi.load(second)
  }
}

/** Calls in another thread: the event loop must see when whoever started this process has gone. */
export async function aside<Args extends unknown[], Result>(call: Call<Args, Result>, ...args: Args): Promise<Result> {
  return new Promise((resolve, reject) => {
    call.async(...args, (error: unknown, result: Result) => {
      if (error instanceof Error) reject(error)
      else resolve(result)
    })
  })
}
