import { ConfigError } from '../config/config-error.js'
import { CodedError } from '../errors/coded-error.js'
import type { Output } from './output.js'

/** `CODE  what happened, to what`, and under it, indented, what to do. */
export function printError(output: Output, error: unknown): void {
  if (error instanceof CodedError) {
    const cause = error instanceof ConfigError ? [] : causes(error.cause)
    output.note(`${error.code}  ${error.message}`)
    for (const line of [...cause, ...(error.cure?.split('\n') ?? [])]) output.note(`  ${line}`)
    return
  }
  output.note(`CK-UNEXPECTED  ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`)
  output.note('  This is a defect of Cinderkeep: please report it with the lines above.')
}

function causes(cause: unknown): string[] {
  if (!(cause instanceof Error)) return []
  return [`because: ${cause.message.split('\n')[0] ?? ''}`, ...causes(cause.cause)]
}
