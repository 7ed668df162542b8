import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { RecoveryPoint } from '../../../workflows/messages.js'
import { type CopiesPool, copiesPool } from '../../helpers/copies-pool.js'
import type { Lab } from '../../helpers/lab.js'
import { type Look, lookInto } from './filesystem.js'

const run = promisify(execFile)

/** A target of kind `ceph` on a pool of its own, and what is restored from it without us. */
export interface SecondSite {
  /** As in cinderkeep.yaml. */
  options: Record<string, unknown>
  /** Restores a point's copy into a file, as `cinderkeep show` says, and looks into it. */
  restored(point: RecoveryPoint | undefined): Promise<Look>
  end(): Promise<void>
}

export async function secondSite(lab: Lab): Promise<SecondSite> {
  const pool: CopiesPool = await copiesPool(lab, 'backup')
  const dir = await mkdtemp(join(tmpdir(), 'ck-second-site-'))
  const macKey = { file: join(dir, 'mac.key') }
  await writeFile(macKey.file, randomBytes(64), { mode: 0o600 })
  return {
    options: { kind: 'ceph', ...pool.options, macKey },
    async restored(point) {
      const { image = '', snapshot = '' } = point?.copies[0]?.ref ?? {}
      const file = join(dir, 'restored.raw')
      await rm(file, { force: true })
      const copy = `${pool.name}/${image}@${snapshot}`
      await run('rbd', ['-c', lab.cephConf.backup, 'export', '--no-progress', copy, file])
      return lookInto(file)
    },
    async end() {
      await pool.end()
      await rm(dir, { recursive: true })
    },
  }
}
