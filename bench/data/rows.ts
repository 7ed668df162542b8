/** What is measured: the data-path rows of design section 10 that concern Ceph, and how their cost grows. */
import type { Child } from '../child.js'
import { cinderBackups } from './cinder-backups.js'
import { fill, newImage, removeImage, scatter, sprinkle, write, type VolumeImage } from './image.js'
import { startMover, subject, type DataPlace, type Measured } from './subject.js'

const gib = 2 ** 30
const tib = 2 ** 40

export interface DataRow {
  work: string
  measured: Measured[]
  goal: 'first' | 'unchanged' | 'changed' | null
}

export interface DataFigure {
  name: string
  measure(place: DataPlace, rounds: number): Promise<DataRow[]>
}

/** A volume of Cinder's of 2 GiB that holds 1 GiB, half random and half text; everyone copies the same one. */
const peers: DataFigure = {
  name: 'peers',
  async measure(place, rounds) {
    const cinder = await cinderBackups(place.lab)
    const rows = new Map<string, DataRow>()
    const note = (work: string, goal: DataRow['goal'], measured: Measured) => {
      const row = rows.get(work) ?? { work, goal, measured: [] }
      row.measured.push(measured)
      rows.set(work, row)
    }
    try {
      for (let round = 0; round < rounds; round += 1) {
        const volume = await cinder.newVolume(2)
        await write(place.lab, volume, fill(gib))
        const mover = await startMover(place)
        try {
          const copies = subject(place, mover, volume, { bare: true, cinder })
          note('first copy, 1 GiB in 2 GiB', 'first', await copies.archive())
          for (let again = 0; again < 2; again += 1) note('nothing changed', 'unchanged', await copies.archive())
          for (let again = 0; again < 2; again += 1) {
            await write(place.lab, volume, scatter(gib / 100, gib))
            note('1 % changed', 'changed', await copies.archive())
          }
        } finally {
          await forget(mover, volume)
          await removeImage(place.lab, volume, { keepVolume: true })
          await cinder.remove(volume.volumeId)
        }
      }
    } finally {
      cinder.close()
    }
    return [...rows.values()]
  },
}

/** One volume after the other, ours beside the bare pipe. */
async function withImage<T>(
  place: DataPlace,
  sizeBytes: number,
  act: (volume: VolumeImage, archive: () => Promise<Measured>) => Promise<T>,
  more: { wholeObject?: boolean } = {},
): Promise<T> {
  const volume = await newImage(place.lab, sizeBytes)
  const mover = await startMover(place, more.wholeObject === true ? { WHOLE_OBJECT: '1' } : {})
  try {
    const copies = subject(place, mover, volume, { bare: true, cinder: null, ...more })
    return await act(volume, () => copies.archive())
  } finally {
    await forget(mover, volume)
    await removeImage(place.lab, volume)
  }
}

async function forget(mover: Child, { volumeId }: VolumeImage): Promise<void> {
  await mover.call('forget', volumeId)
  await mover.stop()
}

const sizes: DataFigure = {
  name: 'sizes',
  async measure(place) {
    const rows: DataRow[] = []
    for (const size of [1, 4, 16]) {
      await withImage(place, size * gib, async (volume, archive) => {
        await write(place.lab, volume, fill(size * gib))
        rows.push({ work: `${String(size)} GiB, first`, goal: null, measured: [await archive()] })
        rows.push({ work: `${String(size)} GiB, unchanged`, goal: null, measured: [await archive(), await archive()] })
      })
    }
    return rows
  },
}

const changes: DataFigure = {
  name: 'changes',
  async measure(place) {
    return withImage(place, gib, async (volume, archive) => {
      await write(place.lab, volume, fill(gib))
      await archive()
      const rows: DataRow[] = []
      for (const share of [0, 1, 10, 100]) {
        const measured: Measured[] = []
        for (let again = 0; again < 2; again += 1) {
          if (share > 0) await write(place.lab, volume, share === 100 ? fill(gib) : scatter((gib * share) / 100, gib))
          measured.push(await archive())
        }
        rows.push({ work: `1 GiB, ${String(share)} % changed`, goal: null, measured })
      }
      return rows
    })
  },
}

/** Four at a time in one mover; what is told is how long all of them took. */
const together: DataFigure = {
  name: 'together',
  async measure(place) {
    const rows: DataRow[] = []
    for (const count of [1, 4]) {
      const volumes: VolumeImage[] = []
      const mover = await startMover(place)
      try {
        for (let made = 0; made < count; made += 1) {
          const volume = await newImage(place.lab, gib)
          volumes.push(volume)
          await write(place.lab, volume, fill(gib))
        }
        const alone = volumes.map((volume) => subject(place, mover, volume, { bare: false, cinder: null }))
        const ours = await Promise.all(alone.map((one) => one.archive()))
        rows.push({ work: `${String(count)} × 1 GiB at a time, first`, goal: null, measured: [slowest(ours)] })
        const again = await Promise.all(alone.map((one) => one.archive()))
        rows.push({ work: `${String(count)} × 1 GiB at a time, unchanged`, goal: null, measured: [slowest(again)] })
      } finally {
        for (const { volumeId } of volumes) await mover.call('forget', volumeId)
        await mover.stop()
        for (const volume of volumes) await removeImage(place.lab, volume)
      }
    }
    return rows
  },
}

function slowest(all: Measured[]): Measured {
  const sorted = [...all].sort((a, b) => total(b) - total(a))
  const [first] = sorted
  if (first === undefined) throw new Error('nothing was measured')
  return first
}

function total({ ours }: Measured): number {
  return ours.captureMs + ours.writeMs + ours.verifyMs
}

/** 200 MiB all over 16 TiB. @param wholeObject by object maps, the bare pipe too; else it takes half an hour */
function sparse(name: string, wholeObject: boolean): DataFigure {
  return {
    name,
    async measure(place) {
      return withImage(
        place,
        16 * tib,
        async (volume, archive) => {
          await write(place.lab, volume, sprinkle(16 * tib))
          const rows = []
          for (const which of ['first', 'unchanged']) {
            const work = `16 TiB with 200 MiB, ${wholeObject ? 'whole-object' : 'plain'}, ${which}`
            rows.push({ work, goal: null, measured: [await archive()] })
          }
          return rows
        },
        { wholeObject },
      )
    },
  }
}

export const dataFigures: DataFigure[] = [
  peers,
  sizes,
  changes,
  together,
  sparse('whole-object', true),
  sparse('sparse', false),
]
