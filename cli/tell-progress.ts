import type { Cli } from './context.js'

/** Without a terminal, a line of progress as often as this. */
const lineMs = 10_000

/** Shows progress: on a terminal one line that is rewritten, else a line now and then. An empty one is not shown. */
export function progressTeller(cli: Cli, clock: () => number = () => performance.now()): (line: string) => void {
  let last = clock()
  return (line) => {
    if (cli.output.progress !== null) cli.output.progress(line)
    else if (line !== '' && clock() - last >= lineMs) {
      cli.output.note(line)
      last = clock()
    }
  }
}
