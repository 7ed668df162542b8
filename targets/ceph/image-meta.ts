import { listImageMeta, removeImageMeta, setImageMeta } from '../../source/rbd-snapshots.js'
import { explained, type Asking } from './commands.js'

export async function readMeta({ access }: Asking, image: string): Promise<Map<string, string>> {
  return explained(access, image, async () => listImageMeta(access, image))
}

export async function setMeta({ access, signal }: Asking, image: string, key: string, value: string): Promise<void> {
  signal?.throwIfAborted()
  await explained(access, image, async () => setImageMeta(access, image, key, value))
}

/** Content when it is gone already. */
export async function removeMeta({ access, signal }: Asking, image: string, key: string): Promise<void> {
  signal?.throwIfAborted()
  await explained(access, image, async () => removeImageMeta(access, image, key))
}
