import { describe, expect, it } from 'vitest'
import { planPolicies } from '../../policy/plan.js'
import type { VolumeFacts } from '../../policy/policy.js'
import { installation, policy, volumeFacts } from './volume-facts.js'

describe('planPolicies', () => {
  const warnings = (volumes: VolumeFacts[], project: string[]) =>
    planPolicies(volumes, [policy('gold', { where: { project } })], installation).policies[0]?.warnings.join(' ') ?? ''

  it('warns where a project is named and the names of projects cannot be read', () => {
    const hidden = volumeFacts({ projectName: null })
    expect(warnings([hidden], ['payments'])).toMatch(/of project payments, but the names of the projects of 1 volume/)
    expect(warnings([hidden], [hidden.projectId])).not.toMatch(/cannot be read/)
    expect(warnings([hidden, volumeFacts()], ['payments'])).not.toMatch(/cannot be read/)
    expect(warnings([volumeFacts()], ['research'])).not.toMatch(/cannot be read/)
  })

  it('counts a volume as protected by no policy where an earlier one may protect it', () => {
    const policies = [policy('gold', { where: { project: ['payments'] } }), policy('all')]
    const plan = planPolicies([volumeFacts({ projectName: null })], policies, installation)
    expect(plan.policies[1]?.protects).toEqual([])
    expect(plan.unprotected[0]?.reasons[0]).toMatch(/^Whether policy gold protects it cannot be told: /)
  })
})
