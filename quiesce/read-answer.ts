import type { VirshAnswer } from './ask-virsh.js'
import type { QuiesceCode } from './quiesce-error.js'

/** What `virsh` said of a freeze or thaw. */
export type Answer =
  | { done: true; filesystems: number }
  | {
      done: false
      code: QuiesceCode
      /** libvirt's own words in one line. */
      text: string
      /** Nothing came of it and nothing will: libvirt refused before it told the guest, or the guest itself did. */
      surelyNot: boolean
    }

/** The first that fits tells. What is not surely nothing may have happened, or happen hours later. */
const refusals: { words: RegExp; code: QuiesceCode; surelyNot: boolean }[] = [
  { words: /failed to connect to the hypervisor/i, code: 'CK-QUIESCE-UNREACHABLE', surelyNot: true },
  { words: /guest agent is not (configured|connected)/i, code: 'CK-QUIESCE-NO-AGENT', surelyNot: true },
  // libvirt gives the guest agent to one command at a time: this one never had it
  { words: /cannot acquire state change lock/i, code: 'CK-QUIESCE-AGENT-SILENT', surelyNot: true },
  { words: /not responding|not available for now|timed out/i, code: 'CK-QUIESCE-AGENT-SILENT', surelyNot: false },
  // a frozen guest's agent allows little but the thaw
  { words: /freeze has been disabled|in frozen state/i, code: 'CK-QUIESCE-ALREADY-FROZEN', surelyNot: true },
  { words: /failed to get domain|domain not found/i, code: 'CK-QUIESCE-NO-DOMAIN', surelyNot: true },
  { words: /domain is not running/i, code: 'CK-QUIESCE-NOT-RUNNING', surelyNot: true },
]

/** Reads the answer of `domfsfreeze` or `domfsthaw`. */
export function readAnswer({ text, exit }: VirshAnswer): Answer {
  const [, count] = /^(?:Froze|Thawed) (\d+) filesystem\(s\)$/m.exec(text) ?? []
  if (exit === 0 && count !== undefined) return { done: true, filesystems: Number(count) }
  const told = inOneLine(text)
  if (exit === null) {
    return { done: false, code: 'CK-QUIESCE-AGENT-SILENT', text: told || 'no answer in time', surelyNot: false }
  }
  const { code, surelyNot } = refusals.find(({ words }) => words.test(text)) ?? {
    code: 'CK-QUIESCE-FAILED' as const,
    surelyNot: false,
  }
  return { done: false, code, text: told || `virsh ended with exit code ${exit}`, surelyNot }
}

/** What is known of a freeze from what its `virsh` left in the ledger; null: it may yet freeze. */
export function readFreezeSaid(text: string): 'froze' | 'refused' | null {
  if (/^Froze \d+ filesystem\(s\)\n/m.test(text)) return 'froze'
  const answer = readAnswer({ text, exit: 1 })
  return !answer.done && answer.surelyNot && text.endsWith('\n') ? 'refused' : null
}

export function inOneLine(text: string): string {
  return text
    .split('\n')
    .map((line) => line.replace(/^error: /, '').trim())
    .filter((line) => line !== '')
    .join('; ')
}
