/** What `cinderkeep show` prints is run as it stands: it must give the captured bytes. */
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { commandsByHand } from '../../targets/by-hand.js'
import { targetsOptions } from '../../targets/options.js'
import { labEnvironment, sha256OfRbd } from '../helpers/lab.js'
import { cephBench, type CephBench } from '../targets/ceph-bench.js'

const run = promisify(execFile)
const lab = labEnvironment()
let bench: CephBench
let dir: string

beforeAll(async () => {
  bench = await cephBench(lab)
  dir = await mkdtemp(join(tmpdir(), 'ck-by-hand-'))
})
afterAll(async () => {
  await bench.end()
  await rm(dir, { recursive: true })
})

it('gives a copy back with the plain commands that are printed', async () => {
  const capture = await bench.capture()
  const copy = await bench.verified(capture)
  const options = targetsOptions.parse({ second: bench.options })['second']
  for (const line of commandsByHand(options, copy)) await run('sh', ['-c', line], { cwd: dir })
  const file = await readFile(join(dir, `volume-${capture.volume.volumeId}.raw`))
  const captured = `volumes/volume-${capture.volume.volumeId}@${capture.snapshotName}`
  expect(createHash('sha256').update(file).digest('hex')).toBe(await sha256OfRbd(lab, 'prod', captured))
})
