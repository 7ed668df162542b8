import { ask, imageAt, isImageMissing, saysMissing, type Asking } from './asking.js'

export async function readMeta(asking: Asking, image: string): Promise<Map<string, string>> {
  return ask(asking, 'metadata', imageAt(asking, image), { image })
}

export async function setMeta(asking: Asking, image: string, key: string, value: string): Promise<void> {
  await ask(asking, 'setMeta', { at: imageAt(asking, image), key, value }, { image })
}

/** Content when it is gone already, with its image or without. */
export async function removeMeta(asking: Asking, image: string, key: string): Promise<void> {
  try {
    await ask(asking, 'removeMeta', { at: imageAt(asking, image), key }, { image })
  } catch (error) {
    if (!isImageMissing(error) && !saysMissing(error)) throw error
  }
}
