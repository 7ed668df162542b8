/**
 * `npm run bench:scale [-- VOLUMES]`: 1,000 volumes of 20 projects due at once, under permits. It is the acceptance test
 * with more volumes than `npm test` takes, and fails where that does; its figures are printed.
 */
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { program } from '../setup/program.js'
import { projectRoot } from '../setup/project.js'

await program(async () => {
  const volumes = process.argv[2] ?? '1000'
  if (!/^[1-9]\d*$/.test(volumes)) {
    process.stderr.write('npm run bench:scale [-- VOLUMES]\n')
    return 2
  }
  const test = join(projectRoot, 'dist', 'setup', 'test.js')
  const child = spawn(process.execPath, [test, 'test/end-to-end/scale.integration.test.ts'], {
    env: { ...process.env, CK_SCALE_VOLUMES: volumes },
    cwd: projectRoot,
    stdio: 'inherit',
  })
  return new Promise((ended, failed) => {
    child.once('error', failed)
    child.once('exit', (code) => {
      ended(code ?? 1)
    })
  })
})
