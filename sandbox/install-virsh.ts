import { chmod, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/**
 * Writes an executable `virsh` that asks the sandbox. To use it, put the directory first in PATH and give the URI:
 * `PATH=<dir>:$PATH LIBVIRT_DEFAULT_URI=<libvirtUri(…)>`, or `--connect`. Needs `npm run build`.
 * @param dir made when it is missing
 * @returns the program's path
 */
export async function installVirsh(dir: string): Promise<string> {
  await mkdir(dir, { recursive: true })
  const path = join(dir, 'virsh')
  // tests run from the sources, which only the compiler can read
  const compiled = import.meta.url.endsWith('.ts') ? '../dist/sandbox/virsh.js' : './virsh.js'
  const program = fileURLToPath(new URL(compiled, import.meta.url))
  await writeFile(path, `#!/bin/sh\nexec '${process.execPath}' '${program}' "$@"\n`)
  await chmod(path, 0o755)
  return path
}

/** What to give to `virsh --connect`. @param hypervisor whose libvirt it is; absent: `sandbox`, where servers are made */
export const libvirtUri = (sandboxUrl: string, hypervisor?: string): string =>
  `sandbox+${sandboxUrl}${hypervisor === undefined ? '' : `/${hypervisor}`}`
