import { CodedError } from '../errors/coded-error.js'

/** How a freeze or a thaw can go wrong, each with what the operator does about it. */
const cures = {
  'CK-QUIESCE-NO-DOMAIN':
    'The server was migrated or deleted, or libvirt does not show it to the agent (docs/quiesce.md).',
  'CK-QUIESCE-NOT-RUNNING': 'Nothing, when it was stopped on purpose: a guest that does not run cannot be frozen.',
  'CK-QUIESCE-NO-AGENT':
    'Install and start qemu-guest-agent in the guest, and give its image the property hw_qemu_guest_agent=yes.',
  'CK-QUIESCE-AGENT-SILENT': 'Look at qemu-guest-agent in the guest; it may hang, or be busy with something else.',
  'CK-QUIESCE-ALREADY-FROZEN':
    'Wait until whoever froze it thaws it. If nobody did: see whether the guest agent forbids guest-fsfreeze-freeze.',
  'CK-QUIESCE-TOO-LATE': undefined,
  'CK-QUIESCE-FAILED': "Read libvirt's own words in the message; the same `virsh` command by hand says them again.",
  'CK-QUIESCE-UNREACHABLE': "Check that libvirt runs and that the agent's user may speak to it (docs/quiesce.md).",
  'CK-QUIESCE-NOT-THAWED': 'Its watchdog goes on by itself. By hand: `virsh domfsthaw UUID` on the compute host.',
  'CK-QUIESCE-LEDGER': 'Check the space, and the rights, of the directory `quiesce.dir` on the compute host.',
  'CK-QUIESCE-REQUEST': undefined,
} as const

export type QuiesceCode = keyof typeof cures

/** A CodedError with its cure. */
export function quiesceError(code: QuiesceCode, message: string, cause?: unknown): CodedError & { code: QuiesceCode } {
  const cure = cures[code]
  return new CodedError(code, message, { ...(cure !== undefined && { cure }), cause }) as CodedError & {
    code: QuiesceCode
  }
}
