import { existsSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The checkout's folder, from a source as from its compiled form in `dist/`. */
export const projectRoot = findRoot(dirname(fileURLToPath(import.meta.url)))

/** What is costly to make and belongs to the user, not to one checkout: `$XDG_CACHE_HOME/cinderkeep` or `~/.cache/cinderkeep`. */
export function cacheDirectory(): string {
  return join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'cinderkeep')
}

function findRoot(directory: string): string {
  return existsSync(join(directory, 'package.json')) ? directory : findRoot(dirname(directory))
}
