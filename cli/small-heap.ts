import type { Environment } from '../config/environment.js'

/**
 * V8 lets heaps grow to several times what is used unless it is told how large they may become, and each of the control
 * worker's two threads has one: with these limits 1,000 watched volumes take half the memory (docs/figures.md).
 * glibc would add an arena a thread.
 */
const heapOptions = '--max-old-space-size=256 --max-semi-space-size=2'

/** The environment of a process that shall stay small; what an operator sets in NODE_OPTIONS wins. */
export function withSmallHeap(env: Environment): Environment {
  return { MALLOC_ARENA_MAX: '2', ...env, NODE_OPTIONS: [heapOptions, env['NODE_OPTIONS'] ?? ''].join(' ').trim() }
}
