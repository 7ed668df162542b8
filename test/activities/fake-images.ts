import type { VolumeImages } from '../../activities/volume-images.js'
import { CodedError } from '../../errors/coded-error.js'
import type { RbdSnapshot } from '../../source/rbd-queries.js'

interface Image {
  id: string
  name: string
  size: number
  snapshots: RbdSnapshot[]
  metadata: Map<string, string>
  /** Milliseconds since the epoch; null: not in the trash. */
  trashedAt: number | null
}

/** A pool in this process. A fault strikes the n-th call: before it did anything, or after it, so that only its answer is lost. */
export function fakeImages() {
  const images: Image[] = []
  let lastId = 0
  let calls = 0
  let fault: { at: number; when: 'before' | 'after' } | null = null
  /** Who is not allowed to delete data. */
  const rights = { mayDelete: true }

  const find = (image: string | { id: string }): Image | undefined =>
    images.find((one) =>
      typeof image === 'string' ? one.name === image && one.trashedAt === null : one.id === image.id,
    )
  const need = (image: string | { id: string }): Image => {
    const found = find(image)
    if (found === undefined) throw new CodedError('CK-SOURCE-IMAGE-MISSING', 'no such image')
    return found
  }
  const broken = () => new CodedError('CK-SOURCE-COMMAND', 'the process died')

  async function call<T>(act: () => T): Promise<T> {
    calls += 1
    if (fault?.at === calls && fault.when === 'before') throw broken()
    const answer = act()
    if (fault?.at === calls) throw broken()
    return answer
  }

  const pool: VolumeImages = {
    pool: 'volumes',
    snapshots: async (image) => call(() => structuredClone(find(image)?.snapshots) ?? null),
    createSnapshot: async (image, name) =>
      call(() => {
        const { snapshots, size } = need(image)
        const made = snapshots.find((one) => one.name === name) ?? { id: ++lastId, name, size }
        if (!snapshots.includes(made)) snapshots.push(made)
        return { ...made }
      }),
    createNewSnapshot: async (image, name) => {
      if (need(image).snapshots.some((one) => one.name === name)) {
        throw new CodedError('CK-SNAPSHOT-EXISTS', `${image}@${name} was there before`)
      }
      await pool.createSnapshot(image, name)
    },
    removeSnapshot: async (image, { name }) =>
      call(() => {
        const found = find(image)
        const had = found?.snapshots.some((one) => one.name === name) ?? false
        if (found !== undefined) found.snapshots = found.snapshots.filter((one) => one.name !== name)
        return had
      }),
    metadata: async (image) => call(() => new Map(need(image).metadata)),
    setMetadata: async (image, key, value) => call(() => void need(image).metadata.set(key, value)),
    removeMetadata: async (image, key) => call(() => void find(image)?.metadata.delete(key)),
    trash: async () =>
      call(() =>
        images.flatMap(({ id, name, trashedAt }) => (trashedAt === null ? [] : [{ id, name, deletedAt: trashedAt }])),
      ),
    removeFromTrash: async ({ id }) =>
      call(() => {
        if (!rights.mayDelete || (find({ id })?.snapshots.length ?? 0) > 0) throw broken()
        images.splice(0, images.length, ...images.filter((one) => one.id !== id))
      }),
  }

  return {
    ...{ pool, images, rights, find },
    add(name: string): Image {
      const image = { id: `id${++lastId}`, name, size: 2 ** 30, snapshots: [], metadata: new Map(), trashedAt: null }
      images.push(image)
      return image
    },
    /** @returns how many calls there were since the last one */
    faultAt(at: number | null, when: 'before' | 'after' = 'before'): number {
      const were = calls
      calls = 0
      fault = at === null ? null : { at, when }
      return were
    },
  }
}

export type FakeImages = ReturnType<typeof fakeImages>
