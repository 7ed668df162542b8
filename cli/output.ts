import { printable } from './printable.js'

/** Where a command writes: results to stdout, everything else to stderr. */
export interface Output {
  /** A result, one or more whole lines without the last newline. */
  result(text: string): void
  /** Anything else, for people. */
  note(text: string): void
  /** Replaces the last line of progress on a terminal; null elsewhere. */
  progress: ((text: string) => void) | null
}

export function createOutput(
  stdout: NodeJS.WriteStream = process.stdout,
  stderr: NodeJS.WriteStream = process.stderr,
): Output {
  let shown = false
  const clear = () => {
    if (shown) stderr.write('\r\u001b[K')
    shown = false
  }
  return {
    result(text) {
      clear()
      stdout.write(`${printable(text, '\n')}\n`)
    },
    note(text) {
      clear()
      stderr.write(`${printable(text, '\n')}\n`)
    },
    progress: stderr.isTTY
      ? (text) => {
          stderr.write(`\r\u001b[K${printable(text).slice(0, (stderr.columns || 80) - 1)}`)
          shown = true
        }
      : null,
  }
}

/** One document, as `--json` promises; JSON itself writes all control characters but these as escapes. */
export function json(value: unknown): string {
  const escaped = (sign: string) => `\\u${sign.charCodeAt(0).toString(16).padStart(4, '0')}`
  return JSON.stringify(value, null, 2).replace(/[\u007f-\u009f]/g, escaped)
}
