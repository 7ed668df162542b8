/** Who writes to an image: its record lies on the image itself, so that an attempt learns that another has taken over. */
import { CodedError } from '../../errors/coded-error.js'
import type { Asking } from './asking.js'
import { readMeta, removeMeta, setMeta } from './image-meta.js'
import { writerSchema, type Writer } from './manifest.js'
import { writerMeta } from './names.js'
import type { Seals } from './seal.js'

export async function keepWriter(asking: Asking, seals: Seals, image: string, writer: Writer): Promise<void> {
  await setMeta(asking, image, writerMeta, seals.seal('writer', image, writer))
}

export async function forgetWriter(asking: Asking, image: string): Promise<void> {
  await removeMeta(asking, image, writerMeta)
}

/** @throws CodedError `CK-WRITER-REPLACED` */
export async function mustBeWriter(asking: Asking, seals: Seals, image: string, token: string): Promise<void> {
  const text = (await readMeta(asking, image)).get(writerMeta)
  const opened = text === undefined ? { unreadable: '' } : seals.open('writer', image, text)
  const found = 'body' in opened ? writerSchema.safeParse(opened.body).data : undefined
  if (found?.token === token) return
  throw new CodedError('CK-WRITER-REPLACED', `another attempt writes to ${image} now, or it was given up`, {
    cure: 'Nothing: this attempt was taken for dead, and the other one goes on.',
  })
}
