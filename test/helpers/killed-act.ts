/** Acts of a target in processes of their own that are killed (SIGKILL) somewhere on their way. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { expect } from 'vitest'
import type { CephPace } from '../../targets/ceph/pace.js'
import type { Capture, Copy } from '../../targets/target.js'
import type { CephBench } from '../targets/ceph-bench.js'
import { descendantsOf, living } from './descendants.js'
import { moments } from './dice.js'

const program = join(dirname(fileURLToPath(import.meta.url)), 'target-act.mjs')

export type Act = 'write' | 'verify' | 'remove'

export interface Outcome {
  killed: boolean
  /** What it was doing at its end, or last. */
  phase: string
  tookMs: number
}

/** @param afterMs from when the act begins; null: it is left alone */
export async function actInProcess(
  bench: CephBench,
  pace: Partial<CephPace>,
  { act, what, afterMs }: { act: Act; what: Capture | Copy; afterMs: number | null },
): Promise<Outcome> {
  const child = spawn(process.execPath, [program], { stdio: ['pipe', 'pipe', 'inherit'] })
  const ended = once(child, 'close')
  let phase = ''
  createInterface(child.stdout).on('line', (line) => (phase = line))
  const { options, sources, installation } = bench
  child.stdin.end(JSON.stringify({ act, given: what, options, sources, installation, cephPace: pace }))
  await Promise.race([once(child.stdout, 'data'), ended])
  const begun = performance.now()
  if (afterMs !== null) {
    await Promise.race([delay(afterMs), ended])
    const family = child.exitCode === null && child.pid !== undefined ? await descendantsOf(child.pid) : []
    child.kill('SIGKILL')
    // what goes on without it could write, or hold the image, for ever
    await expect.poll(async () => living(family), { timeout: 60_000, interval: 100 }).toEqual([])
  }
  await ended
  const killed = child.signalCode === 'SIGKILL'
  if (!killed) expect(child.exitCode).toBe(0)
  return { killed, phase, tookMs: performance.now() - begun }
}

/**
 * Kills acts until so many were killed, at moments spread over their whole length. An act that had ended before its moment
 * came is no kill; how long it took is how long its kind takes from then on.
 * @param attempt does the act and what follows it. `after`: the moment to kill at, for an act of that kind
 * @returns in which phases they died, and how often
 */
export async function killedOften(
  kills: number,
  roll: (below: number) => number,
  attempt: (n: number, after: (kind: string) => number | null) => Promise<{ kind: string; outcome: Outcome }>,
): Promise<Map<string, number>> {
  const took = new Map<string, number>()
  const left = moments(kills, roll)
  const phases = new Map<string, number>()
  for (let n = 0; left.length > 0; n += 1) {
    if (n > 3 * kills + 5) throw new Error(`only ${kills - left.length} of ${n} acts could be killed`)
    const moment = left[0] ?? 0
    const { kind, outcome } = await attempt(n, (kind) => {
      const whole = took.get(kind)
      return whole === undefined ? null : moment * whole
    })
    if (outcome.killed) {
      left.shift()
      phases.set(outcome.phase, (phases.get(outcome.phase) ?? 0) + 1)
    } else {
      // the end of a short act comes sooner one time and later the other: one that was too late is tried a little sooner
      if (took.has(kind)) left[0] = 0.9 * moment
      took.set(kind, outcome.tookMs)
    }
  }
  return phases
}
