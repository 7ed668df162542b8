/**
 * What the agent and its watchdogs know of freezes, on disk: the one truth about what is frozen and how each freeze ended.
 *
 * - `<server>.<token>.frozen`: a freeze that was begun, and whose guest is not yet known to be thawed.
 * - `<server>.<token>.said`: what the `virsh domfsfreeze` of it said.
 * - `<token>.ended`: how it ended. Whoever writes it first has decided; it is also the tombstone that refuses a freeze.
 */
import { randomUUID } from 'node:crypto'
import { link, mkdir, open, readFile, readdir, rm, stat, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { quiesceError } from './quiesce-error.js'

export interface Entry {
  server: string
  token: string
  /** On which boot `deadlineMs` means something. */
  boot: string
  /** On the monotonic clock. */
  deadlineMs: number
  limitSeconds: number
}

export interface End {
  server: string
  token: string
  kept: boolean
  /** The workflow's run that asked for it, where it was kept. */
  run?: string
  reason: { code: string; message: string } | null
  heldMs: number | null
}

/** Longer than any workflow asks for a freeze. */
const tombstonesLastMs = 7 * 24 * 3600 * 1000
/** A file that was being written when its writer died. */
const partialsLastMs = 3600 * 1000

export async function makeLedger(dir: string): Promise<void> {
  try {
    await mkdir(dir, { recursive: true, mode: 0o700 })
  } catch (cause) {
    throw quiesceError('CK-QUIESCE-LEDGER', `${dir} cannot be made: ${(cause as Error).message}`, cause)
  }
}

/** Durable when it returns. @throws CodedError `CK-QUIESCE-LEDGER`; nothing may be frozen then */
export async function writeEntry(dir: string, entry: Entry): Promise<void> {
  await writeOnce(dir, `${entry.server}.${entry.token}.frozen`, entry)
}

/** Whether the guest of this freeze is not yet known to be thawed. */
export async function isOpen(dir: string, { server, token }: Pick<Entry, 'server' | 'token'>): Promise<boolean> {
  try {
    await stat(join(dir, `${server}.${token}.frozen`))
    return true
  } catch (error) {
    // what cannot be seen may be frozen
    return (error as NodeJS.ErrnoException).code !== 'ENOENT'
  }
}

/** The guest is known to be thawed, or was never frozen by this token. */
export async function closeEntry(dir: string, { server, token }: Pick<Entry, 'server' | 'token'>): Promise<void> {
  const name = join(dir, `${server}.${token}`)
  // in this order: an entry without what was said would be thawed once more, which could be somebody else's freeze
  await rm(`${name}.frozen`, { force: true })
  await rm(`${name}.said`, { force: true })
}

/** All that are open. What cannot be read is still one: its name says whom to thaw, and its time has passed. */
export async function listEntries(dir: string): Promise<Entry[]> {
  const entries: Entry[] = []
  for (const name of await readdir(dir)) {
    const [, server, token] = /^([0-9a-f-]{36})\.([0-9a-f-]{36})\.frozen$/.exec(name) ?? []
    if (server !== undefined && token !== undefined) entries.push(await readEntry(dir, server, token))
  }
  return entries
}

export async function readEntry(dir: string, server: string, token: string): Promise<Entry> {
  try {
    return JSON.parse(await readFile(join(dir, `${server}.${token}.frozen`), 'utf8')) as Entry
  } catch {
    return { server, token, boot: '', deadlineMs: 0, limitSeconds: 0 }
  }
}

/** Where the `virsh` of a freeze writes its answer. */
export function saidPath(dir: string, { server, token }: Pick<Entry, 'server' | 'token'>): string {
  return join(dir, `${server}.${token}.said`)
}

/** @returns how it ended: as asked, or as somebody else said earlier */
export async function claimEnd(dir: string, end: End): Promise<End> {
  for (;;) {
    const earlier = await readEnd(dir, end.token)
    if (earlier !== null) return earlier
    if (await writeOnce(dir, `${end.token}.ended`, end)) return end
  }
}

export async function readEnd(dir: string, token: string): Promise<End | null> {
  try {
    return JSON.parse(await readFile(join(dir, `${token}.ended`), 'utf8')) as End
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw quiesceError('CK-QUIESCE-LEDGER', `how freeze ${token} ended cannot be read`, error)
  }
}

/** Removes what nobody will ask for any more. */
export async function pruneLedger(dir: string, nowMs: number): Promise<void> {
  const names = await readdir(dir)
  for (const name of names) {
    const useless = name.endsWith('.ended') || (name.endsWith('.said') && !names.includes(frozenOf(name)))
    const lasts = useless ? tombstonesLastMs : name.startsWith('.') ? partialsLastMs : null
    const path = join(dir, name)
    if (lasts !== null && nowMs - (await stat(path)).mtimeMs > lasts) await rm(path, { force: true })
  }
}

const frozenOf = (said: string) => said.replace(/said$/, 'frozen')

/** Whole and durable or not at all. @returns false when there is one of this name */
async function writeOnce(dir: string, name: string, content: object): Promise<boolean> {
  const partial = join(dir, `.${name}.${randomUUID()}`)
  try {
    const file = await open(partial, 'wx', 0o600)
    try {
      await file.writeFile(`${JSON.stringify(content)}\n`)
      await file.sync()
    } finally {
      await file.close()
    }
    await link(partial, join(dir, name))
    await syncDirectory(dir)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw quiesceError('CK-QUIESCE-LEDGER', `${join(dir, name)} cannot be written: ${(error as Error).message}`, error)
  } finally {
    await unlink(partial).catch(() => undefined)
  }
}

async function syncDirectory(dir: string): Promise<void> {
  const directory = await open(dir, 'r')
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}
