import { startChild, type Child } from '../child.js'
import type { Moved } from '../processes/mover.js'
import { bareCopies } from './bare.js'
import type { CinderBackups } from './cinder-backups.js'
import type { VolumeImage } from './image.js'
import type { DataLab } from './lab.js'
import { watchMemory } from './memory-of.js'

/** What one archive of a volume took: ours, and each of what it is compared with. Milliseconds and MB. */
export interface Measured {
  ours: Moved & { peakMb: number }
  bare: { ms: number; peakMb: number } | null
  readMs: number | null
  cinderMs: number | null
}

export interface DataPlace {
  lab: DataLab
  macKeyFile: string
  logFile: string
  profile: string | null
}

/** Starts a mover of its own: its memory is that of one volume's archives. */
export async function startMover({ lab, macKeyFile, logFile, profile }: DataPlace, more = {}): Promise<Child> {
  const env = { PROD_CONF: lab.prod, PROD_USER: lab.user, BACKUP_CONF: lab.backup, MAC_KEY: macKeyFile, ...more }
  return startChild('mover', { env, logFile, profile })
}

/** @param peers which of them copy the volume beside us, each with a base of its own */
export function subject(
  place: DataPlace,
  mover: Child,
  volume: VolumeImage,
  peers: { bare: boolean; cinder: CinderBackups | null; wholeObject?: boolean },
) {
  const bare = bareCopies(place.lab, volume, { wholeObject: peers.wholeObject ?? false })
  let round = 0

  async function ours(): Promise<Measured['ours']> {
    const memory = watchMemory(mover.pid)
    const moved = await mover.call<Moved>('archive', volume.volumeId)
    const peakMb = memory.stop()
    if (moved.state !== 'verified') throw new Error(`a copy of ${volume.spec} is ${moved.state}`)
    return { ...moved, peakMb }
  }

  return {
    /** All of them archive the volume as it is now; who begins changes from time to time. */
    async archive(): Promise<Measured> {
      round += 1
      const readMs = peers.bare ? (await bare.readOnly()).ms : null
      const first = round % 2 === 0 ? await ours() : null
      const its = peers.bare ? await bare.copy() : null
      const mine = first ?? (await ours())
      const cinderMs = (await peers.cinder?.backUp(volume.volumeId)) ?? null
      return { ours: mine, bare: its === null ? null : { ms: its.ms, peakMb: its.peakMb }, readMs, cinderMs }
    },
  }
}
