import { CodedError } from '../errors/coded-error.js'

/** Runs a program of `setup/` or `demo/`: its result is the exit code; an error is told as operators read it. */
export async function program(main: () => Promise<number>): Promise<void> {
  try {
    process.exitCode = await main()
  } catch (error) {
    process.stderr.write(`${tell(error)}\n`)
    process.exitCode = 1
  }
}

function tell(error: unknown): string {
  if (!(error instanceof CodedError)) return error instanceof Error ? String(error.stack) : String(error)
  const cause = error.cause instanceof Error ? `\n  ${error.cause.message}` : ''
  return `${error.code}  ${error.message}${cause}${error.cure === undefined ? '' : `\n  ${error.cure}`}`
}
