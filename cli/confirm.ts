import { createInterface } from 'node:readline/promises'
import { CodedError } from '../errors/coded-error.js'
import type { Cli } from './context.js'

/**
 * Asks a person at a terminal; `yes` and `y` are yes.
 * @throws CodedError `CK-USAGE` when nobody can be asked: a script says `--yes`
 */
export async function confirm(cli: Cli, question: string): Promise<boolean> {
  if (!process.stdin.isTTY || !process.stderr.isTTY) {
    throw new CodedError('CK-USAGE', 'nothing was changed: there is no terminal to ask on', {
      cure: 'Give --yes to do it without asking.',
    })
  }
  const lines = createInterface({ input: process.stdin, output: process.stderr })
  try {
    const answer = await lines.question(`${question} [y/N] `, { signal: cli.signal })
    return /^y(es)?$/i.test(answer.trim())
  } catch (error) {
    if (!cli.signal.aborted) throw error
    throw new CodedError('CK-INTERRUPTED', `interrupted by ${String(cli.signal.reason)}`, {
      cure: 'Nothing was changed.',
    })
  } finally {
    lines.close()
  }
}
