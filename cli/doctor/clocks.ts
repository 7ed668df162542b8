import type { Client } from '@temporalio/client'
import { pollersOf } from '../../worker/pollers-of.js'
import { controlQueue, moveQueue, reconcileWorkflowId } from '../../workflows/messages.js'
import { span } from '../words.js'
import { describeSchedule } from './describe-schedule.js'
import { CannotLook, fault, findingOf, ok, type Check, type Finding } from './check.js'
import type { DoctorContext } from './context.js'

/** Further apart, and times of archives, schedules and ages mean nothing; milliseconds. */
const limitMs = 300_000
/** A worker waits so long for work at most before it asks again, and Temporal notes when it asked. */
const pollMs = 70_000

/** From a server's word to our judgement it takes less. */
const lookMs = 30_000

/** Another clock, as seen from ours: somewhere between these two; milliseconds since the epoch. */
export interface ClockLook {
  whose: string
  earliest: number
  latest: number
}

/** Our clock against those of Keystone, Cinder and Temporal. */
export const clocksCheck: Check = {
  name: 'clocks',
  async run(context) {
    const looks = [() => ofKeystone(context), () => ofCinder(context), () => ofTemporal(context)]
    const findings = await Promise.all(
      looks.map(async (look) => {
        try {
          return judgeClock(await look(), context.now())
        } catch (error) {
          return findingOf(error)
        }
      }),
    )
    return findings
  },
}

export function judgeClock({ whose, earliest, latest }: ClockLook, now: number): Finding {
  // what cannot be told apart from right is taken for right
  const apart = Math.max(earliest - now, now - latest, 0)
  if (apart <= limitMs) return ok(`our clock and ${whose}'s agree`)
  const way = now > latest ? 'ahead of' : 'behind'
  return fault(
    'CK-CLOCK',
    `our clock is ${span(apart / 1000)} ${way} ${whose}'s`,
    `Start a time service (chrony, systemd-timesyncd) here and there. This machine takes it for ${new Date(now).toISOString()}.`,
  )
}

/** Some Keystones send no Date, but a token says when it was issued: moments ago, when this command began. */
async function ofKeystone({ cloud }: DoctorContext): Promise<ClockLook> {
  const { issuedAt } = (await cloud.need()).identity
  if (issuedAt === null || Number.isNaN(issuedAt)) throw new CannotLook('Keystone does not say when a token was issued')
  return { whose: 'Keystone', earliest: issuedAt, latest: issuedAt + lookMs }
}

async function ofCinder({ cloud, cinder }: DoctorContext): Promise<ClockLook> {
  await cinder.need()
  const { session } = await cloud.need()
  const { date } = await session.request('block-storage', { method: 'GET', path: '/limits' })
  if (date === null) throw new CannotLook('Cinder’s answers have no date')
  return { whose: 'Cinder', earliest: date, latest: date + lookMs }
}

/**
 * Temporal tells its time to nobody, but it notes when workers asked for work, and when schedules acted and will act.
 */
async function ofTemporal({ config, temporal }: DoctorContext): Promise<ClockLook> {
  const { client } = await temporal.need()
  const [asked, schedule] = await Promise.all([
    newestPoll(client, [...new Set([controlQueue, ...config.sources.map(({ zone }) => moveQueue(zone))])]),
    describeSchedule(client, reconcileWorkflowId),
  ])
  const acted = schedule?.info.recentActions.at(-1)?.takenAt.getTime()
  const next = schedule?.state.paused === false ? schedule.info.nextActionTimes[0]?.getTime() : undefined
  const look = boundsOf({ asked, acted, next })
  if (look === null) {
    throw new CannotLook('nothing shows Temporal’s clock yet: no worker polls, and no schedule has acted')
  }
  return { whose: 'Temporal', ...look }
}

/**
 * @param seen.asked when a worker asked last @param seen.acted when the schedule acted last @param seen.next when it will
 */
export function boundsOf(seen: {
  asked: number | undefined
  acted: number | undefined
  next: number | undefined
}): Omit<ClockLook, 'whose'> | null {
  const { asked, acted, next } = seen
  const earliest = Math.max(asked ?? -Infinity, acted ?? -Infinity)
  const latest = Math.min(asked === undefined ? Infinity : asked + pollMs, next ?? Infinity)
  return earliest === -Infinity && latest === Infinity ? null : { earliest, latest: Math.max(earliest, latest) }
}

async function newestPoll(client: Client, queues: string[]): Promise<number | undefined> {
  const all = await Promise.all(
    queues.flatMap((queue) => (['workflow', 'activity'] as const).map((kind) => pollersOf(client, queue, kind))),
  )
  return all.flat().sort((a, b) => b - a)[0]
}
