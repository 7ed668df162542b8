import { table } from '../cli/table.js'

/** What the demo says while it plays, and what it found not to be as it must be. */
export interface Script {
  /** A heading. */
  act(title: string): void
  say(line: string): void
  /** Something that must hold; what does not makes the demo fail at its end. */
  check(what: string, holds: boolean): void
  survived(fault: string, how: string): void
  /** Something that goes on while the next act begins; its failure is one of the script's. */
  meanwhile(work: Promise<void>): void
  /** Returns when all that went on meanwhile has ended. */
  together(): Promise<void>
  faults: [fault: string, how: string][]
  broken: string[]
}

export function createScript(): Script {
  const started = performance.now()
  const print = (line: string): void => void process.stdout.write(`${line}\n`)
  const broken: string[] = []
  const faults: [string, string][] = []
  const going: Promise<void>[] = []
  const check = (what: string, holds: boolean): void => {
    if (holds) return
    broken.push(what)
    print(`  NOT AS IT MUST BE: ${what}`)
  }
  return {
    faults,
    broken,
    act(title) {
      print(`\n${title}`)
    },
    say(line) {
      const seconds = ((performance.now() - started) / 1000).toFixed(0)
      print(`${seconds.padStart(4)} s  ${line}`)
    },
    check,
    survived(fault, how) {
      faults.push([fault, how])
    },
    meanwhile(work) {
      going.push(
        work.catch((error: unknown) => {
          check(error instanceof Error ? error.message : String(error), false)
        }),
      )
    },
    async together() {
      await Promise.all(going.splice(0))
    },
  }
}

export function printTable(headings: string[], rows: string[][]): void {
  process.stdout.write(`\n${table(headings, rows)}\n`)
}
