#!/usr/bin/env node
/** The command line's one door: builds the commands, maps every outcome to a documented exit code. */
import { CommanderError } from 'commander'
import { CodedError } from '../errors/coded-error.js'
import { createCli, interrupted } from './context.js'
import { exitCodeOf, exitCodes, type ExitCode } from './exit-code.js'
import { createOutput } from './output.js'
import { createProgram } from './program.js'
import { printError } from './print-error.js'

const output = createOutput()
const controller = new AbortController()

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    // the same signal again: whoever asks twice does not want to wait
    if (controller.signal.aborted && controller.signal.reason === signal) process.exit(exitCodes.interrupted)
    controller.abort(signal)
  })
}
// `cinderkeep … | head` is no failure
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  process.exit(error.code === 'EPIPE' ? exitCodes.done : exitCodes.failed)
})

const code = await main()
// what was written to a pipe must have arrived before the process ends
await Promise.all([process.stdout, process.stderr].map((stream) => new Promise((sent) => stream.write('', sent))))
process.exit(code)

async function main(): Promise<ExitCode> {
  let outcome: ExitCode = exitCodes.done
  const cli = createCli(output, controller.signal)
  const program = createProgram(cli, (code) => {
    outcome = code
  })
  try {
    // a cloud that does not answer would hold an interrupted command for minutes
    await Promise.race([program.parseAsync(), interrupted(cli)])
    return outcome
  } catch (error) {
    // commander has printed its help or its complaint already
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.done : exitCodes.usage
    printError(output, error)
    return exitCodeOf(error instanceof CodedError ? error.code : 'CK-UNEXPECTED')
  }
}
