/** What the tools of Ceph do alone: no check of the stream, no hash, no reading back. */
import type { VolumeImage } from './image.js'
import type { DataLab } from './lab.js'
import { pipe, run, type Ran } from './run.js'

export interface Bare {
  /** A copy since the last one, or a first one. */
  copy(): Promise<Ran>
  /** The same difference, read and thrown away. */
  readOnly(): Promise<Ran>
}

/**
 * Copies of a volume by `rbd export-diff | rbd import-diff`, from the user who reads volumes to the one who writes copies,
 * with the RBD snapshots that both sides need.
 * @param options.wholeObject with `--whole-object`
 */
export function bareCopies(
  lab: DataLab,
  { spec, volumeId, sizeBytes }: VolumeImage,
  options = { wholeObject: false },
): Bare {
  const image = `archives/bare-${volumeId}`
  const read = `rbd --conf ${lab.prod} --id ${lab.user}`
  const written = `rbd --conf ${lab.backup} --id ck-write`
  let last: string | null = null
  let made = 0

  const from = () => `${last === null ? '' : `--from-snap ${last}`} ${options.wholeObject ? '--whole-object' : ''}`

  async function snapshot(): Promise<string> {
    made += 1
    const name = `bare-${String(made)}`
    await run('rbd', ['--conf', lab.prod, 'snap', 'create', '--no-progress', `${spec}@${name}`])
    return name
  }

  return {
    async copy() {
      if (last === null) await run('rbd', ['--conf', lab.backup, 'create', '--size', `${String(sizeBytes)}B`, image])
      const next = await snapshot()
      const ran = await pipe(
        `${read} export-diff --no-progress ${from()} ${spec}@${next} - | ${written} import-diff --no-progress - ${image}`,
      )
      last = next
      return ran
    },
    async readOnly() {
      const next = await snapshot()
      return pipe(`${read} export-diff --no-progress ${from()} ${spec}@${next} - > /dev/null`)
    },
  }
}
