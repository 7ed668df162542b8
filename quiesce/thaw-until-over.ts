import { readFile } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { askVirsh, type Virsh } from './ask-virsh.js'
import { monotonicMs } from './clock.js'
import { freezeRuns } from './freeze-runs.js'
import { isOpen, saidPath, type Entry } from './ledger.js'
import { readAnswer, readFreezeSaid, type Answer } from './read-answer.js'

/** Why nothing is left to thaw. */
export type Over =
  | { how: 'thawed'; filesystems: number }
  /** Somebody else of us has closed the entry. */
  | { how: 'elsewhere' }
  /** The guest or libvirt refused the freeze: whatever is frozen is not ours. */
  | { how: 'refused' }
  | { how: 'no-domain' }
  | { how: 'shut-off' }

export interface Ward {
  dir: string
  virsh: Virsh
  entry: Pick<Entry, 'server' | 'token'>
  /** Whether the freeze may not even have been begun, and may still be. */
  mayBegin?: () => boolean
}

/** A thaw may wait for libvirt's lock of 30 s. */
const oneThawMs = 40_000
const firstPauseMs = 250
const longestPauseMs = 5000
/** So often in a row a thing must be seen that could be a moment's appearance. */
const sightings = 3
const betweenSightingsMs = 1000

/**
 * Thaws, again and again, until it is certain that nothing of this freeze is frozen or can still become so.
 *
 * One thaw settles it if the freeze had answered before. If it had not (its `virsh` was killed, the guest hangs), libvirt may
 * freeze at any later time: then the command must be gone, and the guest must say several times that nothing is frozen.
 * @returns null when `untilMs` (monotonic) came first
 */
export async function thawUntilOver(ward: Ward, untilMs: number): Promise<Over | null> {
  const seen = { quiet: 0, 'no-domain': 0, 'shut-off': 0 }
  for (let pauseMs = firstPauseMs; ; pauseMs = Math.min(2 * pauseMs, longestPauseMs)) {
    const over = await tryOnce(ward, untilMs, seen).catch(() => null)
    if (over !== null) return over
    const looksOver = seen.quiet + seen['no-domain'] + seen['shut-off'] > 0
    const pause = looksOver ? betweenSightingsMs : pauseMs
    if (monotonicMs() + pause >= untilMs) return null
    await delay(pause)
  }
}

type Seen = Record<'quiet' | 'no-domain' | 'shut-off', number>

async function tryOnce(ward: Ward, untilMs: number, seen: Seen): Promise<Over | null> {
  const { dir, entry } = ward
  if (!(await isOpen(dir, entry))) return { how: 'elsewhere' }
  const said = saidPath(dir, entry)
  const froze = readFreezeSaid(await readFile(said, 'utf8').catch(() => ''))
  if (froze === 'refused') return { how: 'refused' }
  // in this order: whoever has begun has opened the file before
  const mayFreeze = froze === null && (ward.mayBegin?.() === true || (await freezeRuns(said)))

  const answer = await thaw(ward, untilMs)
  if (answer.done) {
    if (froze === 'froze') return { how: 'thawed', filesystems: answer.filesystems }
    see(seen, answer.filesystems === 0 && !mayFreeze ? 'quiet' : null)
    return seen.quiet < sightings ? null : { how: 'thawed', filesystems: 0 }
  }
  const gone = await goneAs(ward, answer)
  see(seen, mayFreeze ? null : gone)
  return gone === null || seen[gone] < sightings ? null : { how: gone }
}

/** @param what null: what was seen before was an appearance */
function see(seen: Seen, what: keyof Seen | null): void {
  for (const one of ['quiet', 'no-domain', 'shut-off'] as const) seen[one] = one === what ? seen[one] + 1 : 0
}

async function thaw({ virsh, entry }: Ward, untilMs: number): Promise<Answer> {
  const timeoutMs = Math.min(oneThawMs, untilMs - monotonicMs())
  return readAnswer(await askVirsh(virsh, ['domfsthaw', entry.server], { timeoutMs }))
}

/** A guest that is paused "is not running" either, and goes on frozen. */
async function goneAs({ virsh, entry }: Ward, answer: Answer): Promise<'no-domain' | 'shut-off' | null> {
  if (answer.done) return null
  if (answer.code === 'CK-QUIESCE-NO-DOMAIN') return 'no-domain'
  if (answer.code !== 'CK-QUIESCE-NOT-RUNNING') return null
  const state = await askVirsh(virsh, ['domstate', entry.server], { timeoutMs: 5000 })
  return state.exit === 0 && ['shut off', 'crashed'].includes(state.text.trim()) ? 'shut-off' : null
}
