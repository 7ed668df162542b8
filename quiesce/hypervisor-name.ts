import { askVirsh, type Virsh } from './ask-virsh.js'
import { quiesceError } from './quiesce-error.js'
import { inOneLine } from './read-answer.js'

/**
 * Nova's hypervisor hostname of this host, which Nova has from libvirt. Never guessed: on another name's queue nobody would
 * find the agent.
 * @throws CodedError `CK-QUIESCE-UNREACHABLE`
 */
export async function hypervisorName(virsh: Virsh): Promise<string> {
  const { text, exit } = await askVirsh(virsh, ['hostname'], { timeoutMs: 30_000 }).catch((error: unknown) => ({
    text: (error as Error).message,
    exit: 1,
  }))
  const name = text.trim()
  if (exit === 0 && /^\S+$/.test(name)) return name
  throw quiesceError('CK-QUIESCE-UNREACHABLE', `libvirt at ${virsh.uri} does not say its name: ${inOneLine(text)}`)
}
