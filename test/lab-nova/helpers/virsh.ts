import { execFile } from 'node:child_process'
import type { ServersLab } from './lab-servers.js'

/** The lab's hypervisor behind Nova's back. */

export interface Said {
  code: number
  stdout: string
  stderr: string
}

/** Runs virsh to its end, well or not. */
export async function virsh(lab: ServersLab, ...args: string[]): Promise<Said> {
  const env = { ...process.env, LC_ALL: 'C' }
  return new Promise((resolve, reject) => {
    execFile('virsh', ['--connect', lab.servers.libvirtUri, ...args], { env }, (error, stdout, stderr) => {
      if (error === null) resolve({ code: 0, stdout, stderr })
      else if (typeof error.code === 'number') resolve({ code: error.code, stdout, stderr })
      else reject(new Error('virsh cannot be run', { cause: error }))
    })
  })
}

/** @throws Error with what virsh said */
export async function virshDoes(lab: ServersLab, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await virsh(lab, ...args)
  if (code !== 0) throw new Error(`virsh ${args.join(' ')} ended with ${String(code)}: ${stderr.trim()}`)
  return stdout
}

/** What the guest agent says of the guest's filesystems; null when no agent answers. */
export async function freezeStatus(lab: ServersLab, domain: string): Promise<'frozen' | 'thawed' | null> {
  const { code, stdout } = await virsh(lab, '-q', 'qemu-agent-command', domain, '{"execute":"guest-fsfreeze-status"}')
  if (code !== 0) return null
  const { return: status } = JSON.parse(stdout) as { return: 'frozen' | 'thawed' }
  return status
}
