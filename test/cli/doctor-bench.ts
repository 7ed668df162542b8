import type { Client } from '@temporalio/client'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { stringify } from 'yaml'
import { allChecks } from '../../cli/doctor/all-checks.js'
import { openContext, type DoctorBase } from '../../cli/doctor/open-context.js'
import { runChecks, type Told } from '../../cli/doctor/run-checks.js'
import { shared } from '../../cli/doctor/shared.js'
import { CodedError } from '../../errors/coded-error.js'
import { loadConfig } from '../../config/load.js'
import { silentLog } from '../../log/log.js'

export const installation = '3f0c8a52-6a0e-4b6a-9a51-2f3f6f1f0f01'

/** Nobody listens there. */
const nowhere = { AMQP_URL: 'amqp://127.0.0.1:9/' }

export interface Look {
  told: Told[]
  /** `level code` of each finding of a check, `level` alone where it has no code. */
  of(check: string): string[]
  /** Everything that is a warning or worse, as `check level code`. */
  wrong(): string[]
}

/** Temporal as far as it tells on which hypervisors agents ask for work. */
function withAgents(hypervisors: string[]): Pick<DoctorBase, 'temporal'> {
  const describeTaskQueue = async ({ taskQueue: { name } }: { taskQueue: { name: string } }) => ({
    pollers: hypervisors.includes(name.replace('quiesce@', ''))
      ? [{ lastAccessTime: { seconds: Math.floor(Date.now() / 1000), nanos: 0 } }]
      : [],
  })
  const client = { workflowService: { describeTaskQueue }, options: { namespace: 'none' } } as unknown as Client
  const inHand = { client, address: '', namespace: 'none', retentionDays: null }
  return { temporal: shared('', 'CK-TEMPORAL-UNREACHABLE', async () => inHand) }
}

function withoutTemporal(): Pick<DoctorBase, 'temporal' | 'plan' | 'started'> {
  const away = <T>() =>
    shared('Temporal cannot be asked (see temporal)', 'CK-TEMPORAL-UNREACHABLE', async () =>
      Promise.reject<T>(new CodedError('CK-TEMPORAL-UNREACHABLE', 'there is none in this test')),
    )
  return { temporal: away(), plan: away(), started: async () => false }
}

/** What `doctor` finds in this process, by the checks that are named (all without names). */
export async function look(given: {
  config?: Record<string, unknown>
  env?: Record<string, string>
  checks?: string[]
  now?: () => number
  /** Hypervisors on which an agent serves, as a Temporal of this test says; without it there is none. */
  agents?: string[]
}): Promise<Look> {
  const cwd = await mkdtemp(join(tmpdir(), 'ck-doctor-'))
  onTestFinished(async () => rm(cwd, { recursive: true, force: true }))
  const file = { installation, targets: { cinder: { kind: 'cinder-backup' } }, ...given.config }
  await writeFile(join(cwd, 'cinderkeep.yaml'), stringify(file), { mode: 0o600 })
  const env = { ...nowhere, ...given.env }
  const config = await loadConfig({ env, cwd })
  const output = { result: () => undefined, note: () => undefined, progress: null }
  const cli = { output, env, cwd, home: cwd, signal: new AbortController().signal, endsItself: false }
  const { context, close } = openContext(cli, config, { log: silentLog, ...(given.now && { now: given.now }) })
  try {
    const checks = allChecks.filter(({ name }) => given.checks?.includes(name) ?? true)
    if (checks.length < (given.checks?.length ?? 1)) throw new Error(`unknown among ${String(given.checks)}`)
    // gRPC tries a server that is away for ten seconds
    const away = given.env?.['TEMPORAL_ADDRESS'] === undefined
    const base = away ? { ...context, ...withoutTemporal(), ...(given.agents && withAgents(given.agents)) } : context
    const told = await runChecks(checks, base)
    const brief = ({ level, code }: Told) => (code === null ? level : `${level} ${code}`)
    return {
      told,
      of: (check) => told.filter((one) => one.check === check).map(brief),
      wrong: () => told.filter(({ code }) => code !== null).map((one) => `${one.check} ${brief(one)}`),
    }
  } finally {
    await close()
  }
}
