import type { Client } from '@temporalio/client'
import { ApplicationFailure } from '@temporalio/common'
import { CodedError } from '../errors/coded-error.js'
import type { VerifiedCopy, VerifyOutcome } from '../workflows/messages.js'
import { verifyFailedType } from '../workflows/messages.js'
import { bounded } from './call-volume.js'
import { pause, type Cli } from './context.js'
import { meters } from './meter.js'
import { describeWorkflow, progressOf } from './pending.js'
import { progressTeller } from './tell-progress.js'

export interface Verified {
  /** The workflow that read them back. */
  verification: string
  copies: VerifiedCopy[]
}

const pollMs = 1000

/**
 * Follows a verification to its end.
 * @throws CodedError `CK-INTERRUPTED`: it goes on; `CK-POINT-UNKNOWN`; `CK-VERIFY-FAILED` when it was ended from outside
 */
export async function followVerification(
  cli: Cli,
  client: Client,
  asked: { verification: string; volume: string },
): Promise<Verified> {
  const { verification, volume } = asked
  const meterOf = meters()
  const tell = progressTeller(cli)
  for (;;) {
    const description = await describeWorkflow(client, verification)
    if (description !== null && description.status.name !== 'RUNNING') break
    const what = description === null ? 'waiting for the volume’s workflow' : progressOf(description, meterOf)
    tell(`${volume}: ${what}`)
    await pause(pollMs, cli.signal, `The verification goes on: ${verification}`)
  }
  return { verification, copies: (await outcomeOf(client, verification)).copies }
}

async function outcomeOf(client: Client, verification: string): Promise<VerifyOutcome> {
  try {
    return (await bounded(client, () => client.workflow.getHandle(verification).result())) as VerifyOutcome
  } catch (error) {
    if (!(error instanceof Error) || error.name !== 'WorkflowFailedError') throw error
    const { cause } = error
    if (cause instanceof ApplicationFailure) {
      const { type, message, details } = cause
      if (type === verifyFailedType && details?.[0] !== undefined) return details[0] as VerifyOutcome
      const [first = '', ...cure] = message.split('\n')
      const text = first.replace(/^CK-[A-Z-]+ {2}/, '')
      throw new CodedError(type === 'CK-POINT-UNKNOWN' ? type : verifyFailedType, text, {
        cure: cure.map((line) => line.trim()).join('\n'),
      })
    }
    throw new CodedError(verifyFailedType, `${verification} was ended from outside`, { cure: 'Ask for it again.' })
  }
}
