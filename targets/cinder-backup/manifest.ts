import { z } from 'zod'
import type { CopyState } from '../target.js'
import { volumeRecord } from '../volume-record.js'

/** Cinder refuses longer values of metadata, counted in characters. */
const longestValue = 255

const text = z.string()
const maybe = z.string().nullable()

const consistency = z.enum(['detached', 'frozen', 'crash'])
const state = z.enum(['writing', 'unverified', 'verified', 'suspect', 'damaged', 'removing'])

/** The record that travels with a copy: what it is a copy of, how it was made, and the volume to create again. */
const manifestSchema = z.object({
  format: z.literal(1),
  installation: text,
  target: text,
  point: text,
  archiveId: text,
  archive: text,
  slot: text,
  group: maybe,
  /** The volumes of that group, this one included. */
  members: z.array(text).optional(),
  capturedAt: text,
  consistency,
  watchers: z.union([z.literal('none'), z.literal('unknown'), z.array(text)]),
  sizeBytes: z.number(),
  snapshotId: text,
  /** What the driver was taken for when the backup was asked for: a guess, on which nothing is deleted. */
  driver: z.enum(['ceph', 'chunked']),
  /** `temporary`: of a volume made from the capture. `snapshot`: of the capture. `force`: of the volume itself. */
  way: z.enum(['temporary', 'snapshot', 'force']),
  /** The copy that this one only adds to, as Cinder chooses it. */
  base: z.object({ backupId: text, point: text }).nullable(),
  /** How many incrementals lie between this copy and its full one. */
  chain: z.number().int().min(0),
  volume: volumeRecord,
})
export type Manifest = z.infer<typeof manifestSchema>

const markSchema = z.object({
  state,
  rootHash: maybe,
  hashedBytes: z.number().optional(),
  verifiedAt: maybe,
  reason: maybe,
})

/** What is known about a copy since it was written. */
export interface Mark {
  state: CopyState
  rootHash: string | null
  hashedBytes?: number | undefined
  verifiedAt: string | null
  reason: string | null
}

/** `ck:0`, `ck:1`, … in pieces of at most 255 characters. */
export function manifestToMetadata(manifest: Manifest): Record<string, string> {
  const json = toAscii(JSON.stringify(manifest))
  const pieces: Record<string, string> = {}
  for (let at = 0, n = 0; at < json.length; at += longestValue, n += 1) {
    pieces[`ck:${n}`] = json.slice(at, at + longestValue)
  }
  return pieces
}

/** The manifest, or in words why there is none that can be trusted. */
export function readManifest(metadata: Record<string, string>): { manifest: Manifest } | { unreadable: string } {
  let json = ''
  for (let n = 0; ; n += 1) {
    const piece = metadata[`ck:${n}`]
    if (piece === undefined) break
    json += piece
  }
  if (json === '') return { unreadable: 'it has no manifest' }
  let value: unknown
  try {
    value = JSON.parse(json)
  } catch (error) {
    return { unreadable: `its manifest is cut or damaged (${error instanceof Error ? error.message : 'no JSON'})` }
  }
  const parsed = manifestSchema.safeParse(value)
  if (parsed.success) return { manifest: parsed.data }
  const [issue] = parsed.error.issues
  return { unreadable: `its manifest has another form (${issue?.path.join('.') ?? ''}: ${issue?.message ?? ''})` }
}

/** The mark as `ck:state`; the reason is shortened to what fits. */
export function markToMetadata(mark: Mark): Record<string, string> {
  const { state, rootHash, hashedBytes, verifiedAt } = mark
  const write = (reason: string | null): string =>
    toAscii(JSON.stringify({ state, rootHash, hashedBytes, verifiedAt, reason }))
  let value = write(mark.reason)
  for (let length = mark.reason?.length ?? 0; value.length > longestValue && length > 0; length -= 1) {
    value = write(`${(mark.reason ?? '').slice(0, length - 1)}...`)
  }
  return { 'ck:state': value }
}

/** A copy whose mark is missing or damaged is one of which nothing is known. */
export function readMark(metadata: Record<string, string>): Mark {
  const unknown: Mark = { state: 'unverified', rootHash: null, verifiedAt: null, reason: null }
  const written = metadata['ck:state']
  if (written === undefined) return unknown
  try {
    return markSchema.parse(JSON.parse(written))
  } catch {
    return { ...unknown, reason: 'its mark on the target cannot be read' }
  }
}

/** Whether a copy was read back, with whatever result: then it was whole once, and no archive removes it as a leftover. */
export function isJudged(metadata: Record<string, string>): boolean {
  return readMark(metadata).state !== 'unverified'
}

/**
 * Other characters as `\uXXXX`: MySQL's `utf8` cannot hold those beyond three bytes, and a piece of pure ASCII can be
 * cut anywhere.
 */
function toAscii(json: string): string {
  return json.replace(/[\u007f-\uffff]/g, (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, '0')}`)
}
