import { z } from 'zod'

const text = z.string()
const maybe = z.string().nullable()

/** `VolumeRecord` as every manifest holds it. */
export const volumeRecord = z.object({
  volumeId: text,
  host: maybe,
  nameId: maybe,
  name: text,
  description: maybe,
  sizeGib: z.number(),
  projectId: text,
  userId: maybe,
  type: maybe,
  availabilityZone: maybe,
  bootable: z.boolean(),
  multiattach: z.boolean(),
  encrypted: z.boolean(),
  encryptionKeyId: maybe,
  metadata: z.record(text, text),
  imageMetadata: z.record(text, text),
  attachments: z.array(z.object({ serverId: maybe, device: maybe })),
})
