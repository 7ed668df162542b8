import type { Readable } from 'node:stream'

const maxLines = 8
const maxLineLength = 400

/** What a program said on stderr, with memory bounded whatever it says. */
export interface StderrLines {
  /** At most the last 8 lines, each cut at 400 signs, secrets struck out. */
  lastLines(): string[]
  firstComplaint(): string | undefined
}

/** Reads stderr to its end, so that the program never waits for us there. */
export function collectStderr(stream: Readable, isComplaint: (line: string) => boolean): StderrLines {
  const lines: string[] = []
  let complaint: string | undefined
  let rest = ''

  function add(raw: string): void {
    const line = withoutKeys(raw.trim().slice(0, maxLineLength))
    if (line === '') return
    lines.push(line)
    if (lines.length > maxLines) lines.shift()
    if (complaint === undefined && isComplaint(line)) complaint = line
  }

  stream.setEncoding('utf8')
  stream.on('data', (text: string) => {
    const pieces = (rest + text).split(/[\r\n]/)
    // a line without an end is kept only as far as it is shown
    rest = (pieces.pop() ?? '').slice(0, maxLineLength)
    pieces.forEach(add)
  })
  stream.on('end', () => {
    add(rest)
    rest = ''
  })
  // the exit code tells of a failure; without a listener a destroyed pipe's error would end the process
  stream.on('error', () => undefined)
  return { lastLines: () => lines, firstComplaint: () => complaint }
}

/** Ceph's secrets are 40 signs of base64 that begin with their type; no command prints them unless it is debugged. */
function withoutKeys(line: string): string {
  return line.replace(/AQ[A-Za-z0-9+/]{36}==/g, '[key]')
}
