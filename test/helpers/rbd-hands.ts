/** What a guest, Cinder or an operator does to an image, through librbd. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import type { Cluster, Lab } from './lab.js'

const run = promisify(execFile)

export type RbdAct =
  /** Random bytes that `seed` alone decides. */
  | { act: 'write'; offset: number; length: number; seed: number }
  | { act: 'zeroes'; offset: number; length: number }
  | { act: 'discard'; offset: number; length: number }
  | { act: 'resize'; size: number }
  | { act: 'rollback'; snapshot: string }

const script = `
import json, random, rados, rbd, sys
conf, spec = sys.argv[1], sys.argv[2]
pool, name = spec.split('/')
with rados.Rados(conffile=conf, rados_id='admin') as cluster, cluster.open_ioctx(pool) as io, rbd.Image(io, name) as image:
    for act in json.loads(sys.argv[3]):
        kind = act['act']
        if kind == 'write': image.write(random.Random(act['seed']).randbytes(act['length']), act['offset'])
        elif kind == 'zeroes': image.write(bytes(act['length']), act['offset'])
        elif kind == 'discard': image.discard(act['offset'], act['length'])
        elif kind == 'resize': image.resize(act['size'])
        elif kind == 'rollback': image.rollback_to_snap(act['snapshot'])
    image.flush()
`

/** @param image `pool/name` */
export async function rbdActs(lab: Lab, cluster: Cluster, image: string, acts: RbdAct[]): Promise<void> {
  await run('/usr/bin/python3', ['-c', script, lab.cephConf[cluster], image, JSON.stringify(acts)])
}
