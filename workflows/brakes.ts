import { condition, setHandler } from '@temporalio/workflow'
import { isBrake } from './check-messages.js'
import type { ArchiveRequest } from './messages.js'
import { backendScope, everything, targetScope } from './messages.js'
import { brakeSignal, type Pause } from './permit-messages.js'
import { byWhom } from './permits-state.js'

/** What an operator has stopped, as far as it concerns one archive. */
export interface Brakes {
  /** What may be paused so that it concerns an archive to these targets. */
  scopes(targets: string[]): string[]
  /** Why nothing new may be begun for these targets, for people; empty: go on. */
  reasons(targets: string[]): string[]
  /** A point at which an archive can wait without harm: returns when nothing stops it. `show` is told the reasons. */
  safePoint(targets: string[], show: (reasons: string[]) => void): Promise<void>
}

/** To be called before the archive's first wait: a brake may come at any time. */
export function watchBrakes({ backend }: Pick<ArchiveRequest, 'backend'>): Brakes {
  const paused = new Map<string, Pause>()
  setHandler(brakeSignal, (brake) => {
    if (!isBrake(brake)) return
    const { scope, paused: pause } = brake
    if (pause === null) paused.delete(scope)
    else paused.set(scope, pause)
  })

  function scopes(targets: string[]): string[] {
    return [everything, ...targets.map(targetScope), ...(backend === undefined ? [] : [backendScope(backend)])]
  }

  function reasons(targets: string[]): string[] {
    return scopes(targets).flatMap((scope) => {
      const pause = paused.get(scope)
      return pause === undefined ? [] : [`${scope} is paused ${byWhom(pause)}`]
    })
  }

  return {
    scopes,
    reasons,
    async safePoint(targets, show) {
      for (;;) {
        const standing = reasons(targets)
        if (standing.length === 0) return
        show(standing)
        await condition(() => reasons(targets).join('\n') !== standing.join('\n'))
      }
    },
  }
}
