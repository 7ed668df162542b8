import { execFileSync } from 'node:child_process'
import { describe, expect, it } from 'vitest'
import { withSmallHeap } from '../../cli/small-heap.js'

/** The heap's limit in MiB of a Node process with these variables. */
function limitOf(env: Readonly<Record<string, string | undefined>>): number {
  const script = `console.log(require('node:v8').getHeapStatistics().heap_size_limit / 2 ** 20)`
  return Number(execFileSync(process.execPath, ['-e', script], { env, encoding: 'utf8' }))
}

describe('a process that shall stay small', () => {
  it('has a heap of a bounded size', () => {
    expect(limitOf(withSmallHeap({}))).toBeLessThan(300)
    expect(limitOf({})).toBeGreaterThan(300)
  })

  it('leaves the last word to the operator', () => {
    expect(limitOf(withSmallHeap({ NODE_OPTIONS: '--max-old-space-size=700' }))).toBeGreaterThan(690)
    expect(withSmallHeap({ MALLOC_ARENA_MAX: '8' })['MALLOC_ARENA_MAX']).toBe('8')
  })
})
