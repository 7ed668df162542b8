/** Tells a person what is being done, one line on stderr: stdout belongs to results. */
export function say(line: string): void {
  process.stderr.write(`cinderkeep: ${line}\n`)
}
