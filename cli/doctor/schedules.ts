import type { ApplyPlan } from '../../worker/schedules.js'
import { CannotLook, fault, ok, warning, type Check, type Finding } from './check.js'

/** The schedules of the policies that have `every`, and of `reconcile`. */
export const schedulesCheck: Check = {
  name: 'schedules',
  run: async ({ plan }) => judgeSchedules(await plan.need()),
}

/** @throws CannotLook before anything was applied */
export function judgeSchedules({ before, schedules, paused }: Omit<ApplyPlan, 'policies'>): Finding[] {
  if (before === null) throw new CannotLook('no policies are applied yet (see policies)')
  const findings = schedules.map(({ schedule, kind, changes }) => {
    const cure = 'cinderkeep policy apply makes the schedules equal the file.'
    if (kind === 'created') return fault('CK-SCHEDULE-MISSING', `there is no schedule ${schedule}`, cure)
    const how = kind === 'deleted' ? 'is of no policy of the file' : `is not as in the file: ${changes.join('; ')}`
    return warning('CK-SCHEDULE-DIFFERS', `schedule ${schedule} ${how}`, cure)
  })
  for (const id of paused) {
    const cure = `When the reason is gone: temporal schedule toggle --unpause --reason done --schedule-id ${id}`
    findings.push(warning('CK-SCHEDULE-PAUSED', `schedule ${id} was paused by hand`, cure))
  }
  return findings.length > 0 ? findings : [ok('the schedules are those of the file, and run')]
}
