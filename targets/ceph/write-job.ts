import type { Capture, Copy, CopyContext } from '../target.js'
import type { Asking } from './asking.js'
import type { CaptureSource } from './capture-source.js'
import type { Head } from './head.js'
import type { ImageState, StoredCopy } from './image-state.js'
import type { Writer } from './manifest.js'
import type { Seals } from './seal.js'
import type { CephSetting } from './setting.js'

/** One attempt to write one copy. */
export interface WriteJob {
  setting: CephSetting
  seals: Seals
  /** Asks the cluster that the copy lies in. */
  asking: Asking
  capture: Capture
  source: CaptureSource
  context: CopyContext
  image: string
  /** The copy's. */
  key: string
  /** This attempt's, from the image's record of who writes to it. */
  token: string
  /** The RBD snapshot to be made. */
  snapshotName: string
  /** As it was when the attempt began to write. */
  state: ImageState
  sizeBytes: number
  /** How far an earlier attempt came that read the whole capture, where its work still lies on the head. */
  part: Writer['part']
  /**
   * Writes down how far a copy that reads everything has come; null before what there was of it is undone.
   * @throws `CK-WRITER-REPLACED` when another attempt has taken over
   */
  keepPart(part: Writer['part']): Promise<void>
  /** @throws CodedError `CK-WRITER-REPLACED` when another attempt has taken over */
  mustStillWrite(): Promise<void>
}

/** How the source was read and what came of it. */
export interface Written {
  read: 'whole' | 'changes'
  /** By object maps. */
  wholeObject: boolean
  /** The verified copy whose bytes it shares. */
  base: StoredCopy | null
  readBytes: number
  writtenBytes: number
}

/** Makes a copy of what was written to the head, which is still open. */
export type Finish = (head: Head, written: Written) => Promise<Copy>

/** Tells progress no more often than is worth a heartbeat, and keeps to the bandwidth. */
export function pacer({ context, sizeBytes }: Pick<WriteJob, 'context' | 'sizeBytes'>, phase: string) {
  let pending = 0
  return async (offset: number, bytes: number): Promise<void> => {
    context.signal.throwIfAborted()
    pending += bytes
    if (pending < 8 * 2 ** 20) return
    const moved = pending
    pending = 0
    context.report({ phase, doneBytes: offset, totalBytes: sizeBytes })
    await context.throttle?.(moved)
  }
}
