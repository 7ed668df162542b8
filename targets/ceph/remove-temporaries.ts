import type { CopyContext } from '../target.js'
import { clearAway } from './clear-away.js'
import { withAsking } from './asking.js'
import { fence } from './fence.js'
import { readImage } from './image-state.js'
import { listImages } from './list-copies.js'
import { removeEmptyImage, removeHalfImage } from './remove-image.js'
import { openSeals } from './seal.js'
import type { CephSetting } from './setting.js'
import { forgetWriter } from './writer-record.js'

/** Removes what an archive wrote that did not become a copy. */
export async function removeTemporaries(
  setting: CephSetting,
  { archiveId, volumeId }: { archiveId: string; volumeId: string },
  context: CopyContext,
): Promise<void> {
  const seals = await openSeals(setting.options.macKey.file)
  await withAsking(setting, 'remove', context.signal, async (asking) => {
    for (const image of await listImages(asking, volumeId)) {
      context.report({ phase: `clearing ${image}` })
      let state = await readImage(asking, seals, image)
      if (state === null) {
        await removeHalfImage(asking, image)
        continue
      }
      const isWriter = state.writer?.archiveId === archiveId
      if (isWriter) {
        // first the record, so that an attempt that still lives stops by itself; then whoever does not
        await forgetWriter(asking, image)
        await fence(asking, image, setting.log, { signal: context.signal })
        const { writer } = state
        state = await readImage(asking, seals, image)
        if (state === null) continue
        await clearAway(asking, state, { archiveId, writer, keep: null })
      } else await clearAway(asking, state, { archiveId, writer: null, keep: null })
      await removeEmptyImage(asking, seals, image)
    }
  })
}
