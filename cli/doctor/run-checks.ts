import { CodedError } from '../../errors/coded-error.js'
import { findingOf, skipped, type Check, type Finding } from './check.js'
import type { DoctorBase } from './open-context.js'
import { within } from './within.js'

/** A finding and the check that it is of. */
export interface Told extends Finding {
  check: string
}

/** Longer than anything that a check waits for by itself; milliseconds. */
const checkMs = 30_000

/**
 * All checks side by side, each within half a minute; what one finds or breaks concerns no other.
 * @param skip names of checks that are left out, and told as skipped
 * @returns in the order of the checks, whichever was ready first
 */
export async function runChecks(
  checks: readonly Check[],
  base: DoctorBase,
  skip: readonly string[] = [],
  limitMs = checkMs,
): Promise<Told[]> {
  const told = checks.map(async ({ name, run }): Promise<Told[]> => {
    const findings = skip.includes(name) ? [skipped('left out (--skip)')] : await bounded(name, run, base, limitMs)
    return findings.map((finding) => ({ check: name, ...finding }))
  })
  return (await Promise.all(told)).flat()
}

async function bounded(name: string, run: Check['run'], base: DoctorBase, limitMs: number): Promise<Finding[]> {
  const over = new AbortController()
  try {
    return await within(
      limitMs,
      () => run({ ...base, signal: over.signal }),
      () =>
        new CodedError('CK-TIMED-OUT', `the check ${name} was given up after ${limitMs / 1000} s`, {
          cure: 'Something that it asked neither answered nor failed: see what the other checks say of it.',
        }),
    )
  } catch (error) {
    return [findingOf(error)]
  } finally {
    over.abort(new Error(`the check ${name} is over`))
  }
}
