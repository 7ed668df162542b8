import { CodedError } from '../errors/coded-error.js'
import type { Command } from './run-command.js'

export interface CommandEnd {
  /** null when a signal ended it. */
  exitCode: number | null
  signalName: string | null
  /** The last lines of stderr, bounded. */
  stderr: string[]
}

/** A program failed; `exitCode` and `stderr` are there for callers who know what they mean. */
export class CommandFailed extends CodedError {
  override readonly name = 'CommandFailed'
  readonly exitCode: number | null
  readonly stderr: string[]

  constructor(command: Command, end: CommandEnd, what = howItEnded(end)) {
    const said = end.stderr.length === 0 ? '' : `: ${end.stderr.join(' | ')}`
    super('CK-SOURCE-COMMAND', `${command.title} ${what}${said}`, {
      cure: `Run it by hand on this machine to see more: ${command.name} ${command.args.join(' ')}`,
    })
    this.exitCode = end.exitCode
    this.stderr = end.stderr
  }
}

export function commandMissing({ name, packageName }: Command, cause: unknown): CodedError {
  const why =
    cause instanceof Error && 'code' in cause && cause.code === 'ENOENT' ? 'is not installed' : 'did not start'
  return new CodedError('CK-SOURCE-COMMAND-MISSING', `${name} ${why} on this mover`, {
    cure: `Install it: apt-get install ${packageName}`,
    cause,
  })
}

function howItEnded({ exitCode, signalName }: CommandEnd): string {
  return exitCode === null ? `was ended by ${signalName ?? 'a signal'}` : `ended with exit code ${exitCode}`
}
