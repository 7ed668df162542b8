/** Reads through `rbd export-diff`: whole, or what differs from an earlier RBD snapshot. */
import { CodedError } from '../errors/coded-error.js'
import type { RbdAccess } from './rbd-access.js'
import { rbdCommand, type RbdObject } from './rbd-command.js'
import { parseRbdDiff } from './rbd-diff-stream.js'
import { captureLost } from './rbd-lost.js'
import { streamCommand } from './run-command.js'
import type { DataRun, SinceOptions, ZeroRun } from './source.js'

/**
 * A full stream, a clone's parent included. A plain diff unless asked for otherwise: see `rbdExtents`.
 * @param size what the object is known to have
 */
export async function* exportRbd(
  access: RbdAccess,
  object: RbdObject,
  size: number,
  signal?: AbortSignal,
  { wholeObject = false }: SinceOptions = {},
): AsyncGenerator<DataRun, void, undefined> {
  const options = wholeObject ? ['--whole-object'] : []
  // what is zero in a full stream is as good as left out
  for await (const run of exportDiff(access, object, { size, base: null }, options, signal))
    if (!('zero' in run)) yield run
}

/** @param known the object's size, and the name of the RBD snapshot that the difference starts from */
export async function* exportRbdSince(
  access: RbdAccess,
  object: RbdObject,
  known: { size: number; base: string },
  signal?: AbortSignal,
  { wholeObject = false }: SinceOptions = {},
): AsyncGenerator<DataRun | ZeroRun, void, undefined> {
  const options = ['--from-snap', known.base, ...(wholeObject ? ['--whole-object'] : [])]
  yield* exportDiff(access, object, known, options, signal)
}

async function* exportDiff(
  access: RbdAccess,
  object: RbdObject,
  { size, base }: { size: number; base: string | null },
  options: string[],
  signal: AbortSignal | undefined,
): AsyncGenerator<DataRun | ZeroRun, void, undefined> {
  const command = rbdCommand(access, ['export-diff'], object, [...options, '--no-progress', '--path', '-'])
  const names: Names = { from: null, to: null }
  let sized = false
  for await (const record of parseRbdDiff(streamCommand(command, { signal }))) {
    if (record.tag === 'data') yield { offset: record.offset, data: record.data }
    else if (record.tag === 'zero') yield { offset: record.offset, length: record.length, zero: true }
    else if (record.tag === 'size') {
      mustBeOf(command.title, names, { from: base, to: object.snapshot })
      if (record.size !== size) throw captureLost(access, object, `has ${record.size} bytes now, not ${size}`)
      sized = true
    } else names[record.tag] = record.name
  }
  // a stream of no size says of no snapshot what it is
  if (!sized) throw otherStream(command.title, 'says no size')
}

interface Names {
  from: string | null
  to: string | null
}

function mustBeOf(title: string, found: Names, wanted: Names): void {
  if (found.from !== wanted.from) throw otherStream(title, `begins at ${found.from ?? 'nothing'}`)
  if (found.to !== wanted.to) throw otherStream(title, `is of ${found.to ?? 'the image itself'}`)
}

function otherStream(title: string, what: string): CodedError {
  return new CodedError('CK-SOURCE-STREAM', `the stream of ${title} ${what}`, {
    cure: 'Nothing of it is used. Install the version of ceph-common that fits the cluster; if it does, please report this.',
  })
}
