import type { Copy, CopyContext } from '../target.js'
import { ask, placeOf, withAsking, type Asking } from './asking.js'
import { readImage } from './image-state.js'
import { imagePrefix } from './names.js'
import { openSeals } from './seal.js'
import type { CephSetting } from './setting.js'
import { toCopy } from './to-copy.js'

/** Images looked at at once. */
const atOnce = 4

/** Copies of one volume or of all, as their manifests say; of this installation alone. */
export async function listCopies(setting: CephSetting, volumeId: string | null, context: CopyContext): Promise<Copy[]> {
  const seals = await openSeals(setting.options.macKey.file)
  const copies: Copy[] = []
  await withAsking(setting, 'write', context.signal, async (asking) => {
    const images = await listImages(asking, volumeId)
    for (let at = 0; at < images.length; at += atOnce) {
      const states = await Promise.all(
        images.slice(at, at + atOnce).map(async (image) => readImage(asking, seals, image)),
      )
      for (const state of states) {
        if (state === null) continue
        for (const { key, why } of state.unreadable) {
          setting.log.warn(
            { code: 'CK-MANIFEST-UNREADABLE', image: state.image, copy: key },
            `a copy is not counted: ${why}`,
          )
        }
        const ours = state.copies.filter(({ manifest }) => manifest.installation === setting.installation)
        copies.push(...ours.map((one) => toCopy(setting, one)))
      }
      context.report({ phase: `${Math.min(at + atOnce, images.length)} of ${images.length} images read` })
    }
  })
  return copies.sort((a, b) => a.capturedAt.localeCompare(b.capturedAt))
}

/** Our images in the pool, of one volume (one for each owner that it has had) or of all. */
export async function listImages(asking: Asking, volumeId: string | null): Promise<string[]> {
  const all = await ask(asking, 'images', placeOf(asking.access))
  return all.filter((name) => name.startsWith(volumeId === null ? 'ck-' : imagePrefix(volumeId))).sort()
}
