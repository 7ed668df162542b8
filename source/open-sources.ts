import { fileSource } from './file.js'
import { matchPattern } from './match-pattern.js'
import type { SourcesOptions } from './options.js'
import { rbdSource } from './rbd.js'
import type { Source, Sources } from './source.js'

/** The configured sources. Touches no storage: what is wrong with one shows when something is opened. */
export function openSources(options: SourcesOptions): Sources {
  const entries = options.map((entry): { match: string; source: Source } => ({
    match: entry.match,
    source: entry.kind === 'rbd' ? rbdSource(entry) : fileSource(entry),
  }))
  return {
    zones: [...new Set(entries.map(({ source }) => source.zone))],
    find: (host) => (host === null ? undefined : entries.find(({ match }) => matchPattern(match, host))?.source),
  }
}
