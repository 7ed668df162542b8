import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Sandbox, SandboxOptions } from '../../sandbox/sandbox.js'
import { startSandbox } from '../../sandbox/sandbox.js'
import type { Client } from '../cloud-conformity/cloud.js'
import { connectClient } from '../cloud-conformity/cloud.js'

/** Runs with a sandbox and an admin's client to it, and removes everything afterwards. No broker is needed. */
export async function withSandbox(
  options: Omit<SandboxOptions, 'dir'>,
  work: (sandbox: Sandbox, admin: Client) => Promise<void>,
): Promise<void> {
  const dir = await mkdtemp(join(tmpdir(), 'sandbox-test-'))
  const sandbox = await startSandbox({ dir, ...options })
  try {
    await work(sandbox, await connectClient(sandbox.env))
  } finally {
    await sandbox.close()
    await rm(dir, { recursive: true })
  }
}
