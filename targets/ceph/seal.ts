/**
 * What we write beside the bytes of copies is authenticated: who can write to the pool, or damages it by chance, cannot
 * make a copy of what is none. A sealed record is `{"body":…,"mac":"<hex>"}` in canonical JSON; the MAC is
 * HMAC-SHA-256 over `cinderkeep <kind> 1`, a line feed, the image's name, a line feed, and the body's canonical JSON.
 */
import { createHmac, timingSafeEqual } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { gunzipSync, gzipSync } from 'node:zlib'
import { z } from 'zod'
import { CodedError } from '../../errors/coded-error.js'
import { canonicalJson } from './canonical-json.js'

export type SealKind = 'manifest' | 'mark' | 'writer' | 'reading' | 'damage' | 'missed'

export interface Seals {
  seal(kind: SealKind, image: string, body: unknown): string
  /** The body, or in words why it is not trusted. */
  open(kind: SealKind, image: string, text: string): { body: unknown } | { unreadable: string }
}

const least = 32
/** Linux takes no longer argument of a command than 128 KiB; a longer record is compressed. */
const longest = 100_000

const sealed = z.strictObject({ body: z.unknown(), mac: z.string().regex(/^[0-9a-f]{64}$/) })

/** @throws CodedError `CK-MAC-KEY` when the key cannot be read or is shorter than 32 bytes */
export async function openSeals(keyFile: string): Promise<Seals> {
  const key = await readKey(keyFile)

  function macOf(kind: SealKind, image: string, body: unknown): Buffer {
    return createHmac('sha256', key)
      .update(`cinderkeep ${kind} 1\n${image}\n${canonicalJson(body)}`)
      .digest()
  }

  return {
    seal: (kind, image, body) => pack(canonicalJson({ body, mac: macOf(kind, image, body).toString('hex') })),
    open: (kind, image, text) => {
      let read
      try {
        read = sealed.parse(JSON.parse(unpack(text)))
      } catch {
        return { unreadable: `its ${kind} is cut or damaged` }
      }
      if (!timingSafeEqual(macOf(kind, image, read.body), Buffer.from(read.mac, 'hex'))) {
        return { unreadable: `its ${kind} was not written with this target's macKey, or was changed since` }
      }
      return { body: read.body }
    },
  }
}

async function readKey(file: string): Promise<Buffer> {
  let key
  try {
    key = await readFile(file)
  } catch (cause) {
    const why = cause instanceof Error && 'code' in cause ? String(cause.code) : 'an error'
    throw badKey(`the MAC key ${file} cannot be read (${why})`, cause)
  }
  if (key.length < least) throw badKey(`the MAC key ${file} has ${key.length} bytes, fewer than ${least}`)
  return key
}

function badKey(what: string, cause?: unknown): CodedError {
  return new CodedError('CK-MAC-KEY', what, {
    cure: 'Put the key that the copies were written with there, readable for this user; a new one: openssl rand -out FILE 64',
    cause,
  })
}

function pack(json: string): string {
  return json.length <= longest ? json : `gz:${gzipSync(json, { level: 9 }).toString('base64')}`
}

function unpack(text: string): string {
  if (!text.startsWith('gz:')) return text
  return gunzipSync(Buffer.from(text.slice(3), 'base64'), { maxOutputLength: 16 * 2 ** 20 }).toString('utf8')
}
