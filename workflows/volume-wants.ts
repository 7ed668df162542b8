/** The archives that a volume's targets should get once they can: the rules by which they are wanted, and no longer wanted. */
import { groupEvent, manualSlotPrefix, scheduleEvent } from './messages.js'
import type { Burst, VolumeState, Want } from './volume-memory.js'
import { isBlocked } from './volume-state.js'

/** The wants of one slot that may be followed now: one archive. */
export function ripeWants(state: VolumeState, now: number): { want: Want; targets: string[] } | null {
  const ripe = Object.entries(state.wants)
    .filter(([target, want]) => want.at <= now && !isBlocked(state, target))
    .sort(([, a], [, b]) => a.at - b.at)
  const first = ripe[0]?.[1]
  if (first === undefined) return null
  const targets = ripe.filter(([, want]) => want.slot === first.slot)
  return { want: first, targets: targets.map(([target]) => target) }
}

/**
 * One more archive for targets whose lane is busy. A want that waits already stands: it will cover this one too, for what asked
 * now as well, since a policy that selects by server protects a detached volume for the detach alone.
 */
export function wantLater(state: VolumeState, targets: string[], want: Omit<Want, 'failures' | 'deferrals'>): void {
  for (const target of targets) {
    const waiting = state.wants[target]
    // a retry that sleeps is overtaken by a newer reason to archive
    const isRipe = waiting?.failures === 0 && waiting.deferrals === 0
    const events = [...new Set([...(waiting?.events ?? []), ...want.events])]
    const lastPolicy = want.lastPolicy ?? waiting?.lastPolicy
    const next = isRipe ? waiting : { ...want, failures: 0, deferrals: 0 }
    state.wants[target] = { ...next, events, ...(lastPolicy !== undefined && { lastPolicy }) }
  }
}

/** Whether nothing asks for it but its server's capture, which waits a minute. */
export const isInvited = ({ events }: Pick<Burst, 'events'>): boolean => events.every((event) => event === groupEvent)

/**
 * Whether an archive that runs is the one that is asked for. With its server a volume is only invited: its own
 * policy asks for its copies. And what was begun after a schedule's time is captured after it.
 */
export function isServed(
  state: VolumeState,
  target: string,
  { events, policy }: { events: string[]; policy: string | null },
): boolean {
  const isHeld = state.archives.some(({ archive }) => archive === state.running[target])
  const nominal = policy === null ? undefined : state.lastNominal[policy]
  // its lane may be free again; a person's archive is not tried again when it fails
  const isLater = state.archives.some(
    ({ targets, startedAt = 0, slot }) =>
      targets.includes(target) &&
      nominal !== undefined &&
      startedAt >= Date.parse(nominal) &&
      !slot.startsWith(manualSlotPrefix),
  )
  return events.every((event) => (event === groupEvent && isHeld) || (event === scheduleEvent && isLater))
}

export function dropWant(state: VolumeState, target: string): void {
  state.wants = Object.fromEntries(Object.entries(state.wants).filter(([one]) => one !== target))
}
