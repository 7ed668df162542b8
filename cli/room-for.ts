import type { PolicyPlan } from '../policy/plan.js'
import type { CopyContext, Fit, Target } from '../targets/target.js'
import { count } from './words.js'

/** How many volumes a sentence names. */
const named = 3

/**
 * Which of a policy's volumes could not be archived now for want of quota or space, one sentence a target; and whether
 * one copy of each of them fits at all. Only reads.
 * @param hosts Cinder's `host@backend#pool` of each volume, by its id
 */
export async function roomFor(
  { policy, protects }: PolicyPlan,
  targets: ReadonlyMap<string, Target>,
  hosts: ReadonlyMap<string, string | null>,
  context: CopyContext,
): Promise<string[]> {
  const sentences: string[] = []
  for (const { target, force } of policy.copies) {
    const its = targets.get(target)
    if (its === undefined) continue
    const answers = new Map<string, Fit | undefined>()
    const without: { name: string; reason: string }[] = []
    for (const { volume } of protects) {
      const { id, name, sizeGib } = volume
      const host = hosts.get(id) ?? null
      const forced = force !== null && sizeGib <= force.maxSizeGib
      // what does not differ need not be asked for again
      const key = `${sizeGib} ${forced} ${host ?? ''}`
      if (!answers.has(key)) answers.set(key, await its.preflight?.({ sizeGib, host }, context, { force: forced }))
      const fit = answers.get(key)
      if (fit?.fits === false) without.push({ name: name === '' ? id : name, reason: fit.reason })
    }
    const [first] = without
    if (first !== undefined) {
      const names = without.slice(0, named).map(({ name }) => name)
      const more = without.length > named ? ', …' : ''
      const which = `${count(without.length, 'volume')} (${names.join(', ')}${more})`
      sentences.push(`There is no room on ${target} now for ${which}: ${first.reason}.`)
    }
    const wanted = protects.reduce((sum, { volume }) => sum + volume.sizeGib, 0)
    const { freeBytes } = await its.capacity()
    if (freeBytes !== null && wanted * gib > freeBytes) {
      const left = Math.floor(freeBytes / gib)
      sentences.push(
        `One copy of each of its volumes takes ${wanted} GiB on ${target}, and ${left} GiB are left there.`,
      )
    }
  }
  return sentences
}

const gib = 2 ** 30
