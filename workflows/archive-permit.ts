import {
  ActivityCancellationType,
  CancellationScope,
  condition,
  getExternalWorkflowHandle,
  log,
  patched,
  proxyActivities,
  setHandler,
  workflowInfo,
} from '@temporalio/workflow'
import type { ControlActivities } from '../activities/control-activities.js'
import type { Brakes } from './brakes.js'
import type { ArchiveRequest } from './messages.js'
import { permitsWorkflowId } from './messages.js'
import { askAgainSignal, permitGrantedSignal, permitReleasedSignal } from './permit-messages.js'

const asking = proxyActivities<Pick<ControlActivities, 'requestPermit'>>({
  startToCloseTimeout: '30 seconds',
  // what is asked for must not arrive after it was given back
  cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
  retry: { initialInterval: '1 second', backoffCoefficient: 2, maximumInterval: '1 minute' },
})

/** It asks again after so many minutes, the last one repeating: `permits/all` may have forgotten it. */
const askAgainMinutes = [1, 2, 4, 8, 10]

/** An archive's permission to use what its plan names; of one that needs none, nobody is asked. */
export interface ArchivePermit {
  /** Returns when it is granted. `show` is told why it is not yet. */
  grant(show: (reasons: string[]) => void): Promise<void>
  release(): Promise<void>
}

/** To be called before the archive's first wait: a grant may come at any time. */
export function permitOf(request: ArchiveRequest, brakes: Brakes): ArchivePermit {
  // archives that were begun before there were permits carry none
  const { permits = [] } = request as Partial<ArchiveRequest>
  if (permits.length === 0) return { grant: async () => undefined, release: async () => undefined }
  const archive = workflowInfo().workflowId
  const targets = request.targets.map(({ target }) => target)
  const told = { granted: false, forgotten: false, released: false }
  const waits = () => !told.granted
  const isForgotten = () => told.forgotten
  setHandler(permitGrantedSignal, () => {
    told.granted = true
  })
  setHandler(askAgainSignal, async () => {
    told.forgotten = true
    // one that only waits for its snapshot to go would be taken for a holder as long as it runs
    if (told.released && patched('release-again')) await CancellationScope.nonCancellable(release)
  })

  return {
    async grant(show) {
      const since = Date.now()
      const limited = permits.map(({ scope }) => scope)
      // what was planned before a pause must not hold what others could use until the pause ends
      const braking = brakes.scopes(targets).filter((scope) => !limited.includes(scope))
      const all = [...permits, ...braking.map((scope) => ({ scope, limit: null }))]
      const wanted = { archive, project: request.volume.projectId, first: request.first, since, permits: all }
      for (let asked = 0; ; asked += 1) {
        told.forgotten = false
        const summary = `permits for ${permits.map(({ scope }) => scope).join(', ')}`
        const reasons = await asking.requestPermit.executeWithOptions({ summary }, [wanted])
        const minutes = askAgainMinutes[Math.min(asked, askAgainMinutes.length - 1)] ?? 10
        const until = Date.now() + minutes * 60_000
        // granted at once is the usual case, and is not worth a word
        if (waits() && reasons.length > 0) show(reasons)
        while (waits() && !isForgotten() && Date.now() < until) {
          const standing = brakes.reasons(targets).join('\n')
          const braked = () => brakes.reasons(targets).join('\n') !== standing
          await condition(() => !waits() || isForgotten() || braked(), Math.max(until - Date.now(), 1))
          if (waits() && braked()) show(brakes.reasons(targets))
        }
        if (!waits()) return
      }
    },
    async release() {
      told.released = true
      await release()
    },
  }

  async function release(): Promise<void> {
    try {
      await getExternalWorkflowHandle(permitsWorkflowId).signal(permitReleasedSignal, { archive })
    } catch (error) {
      // nobody gives permits any more; whoever does again will find that it has ended
      log.info('nobody takes the permit back', { reason: String(error) })
    }
  }
}
