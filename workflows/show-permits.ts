import { setCurrentDetails, upsertSearchAttributes } from '@temporalio/workflow'
import { byWhom, statusOf, type PermitsState } from './permits-state.js'
import { searchAttributes } from './search-attributes.js'

/** So many of each list are shown; the query `permitsState` has more. */
const most = 25

/**
 * Tells an operator in the Temporal UI who holds what, who waits for what, and what is paused by whom.
 * @param shown what the last call returned: the columns are written on change only, each upsert is an event
 */
export function showPermits(state: PermitsState, shown: string): string {
  setCurrentDetails(detailsOf(state))
  const paused = Object.keys(state.paused).sort()
  const phase = paused.length === 0 ? 'open' : 'paused'
  const text = JSON.stringify([phase, paused])
  if (shown === text) return shown
  upsertSearchAttributes([
    { key: searchAttributes.name, value: 'permits' },
    { key: searchAttributes.phase, value: phase },
    // as `target="vault"` finds what concerns it
    { key: searchAttributes.target, value: paused.map((scope) => scope.replace(/^target:/, '')) },
  ])
  return text
}

function detailsOf(state: PermitsState): string {
  const { holders, waiting, waitingInAll, paused, limits } = statusOf(state, most)
  // what neither has a limit nor is paused holds nobody up; archives name it all the same
  const counts = (scope: string) => paused[scope] !== undefined || (limits[scope] ?? null) !== null
  const scopes = Object.entries(limits)
    .filter(([scope]) => counts(scope))
    .sort(([a], [b]) => a.localeCompare(b))
  return [
    `### ${holders.length} archives hold permits, ${waitingInAll} wait`,
    ...Object.entries(paused).map(([scope, pause]) => `- **${scope} is paused** ${oneLine(byWhom(pause))}`),
    ...scopes.map(([scope, limit]) => {
      const used = holders.filter((one) => one.scopes.includes(scope)).length
      return `- ${scope}: ${used} in use, ${limit === null ? 'no limit' : `limit ${limit}`}`
    }),
    ...section('Who holds', holders, ({ archive, project, scopes: held, since }) => {
      return `- \`${archive}\` (project ${project}) since ${since.slice(0, 19)}Z: ${held.filter(counts).join(', ')}`
    }),
    ...section(
      'Who waits, and why',
      waiting,
      ({ archive, project, since, reasons }) =>
        `- \`${archive}\` (project ${project}) since ${since.slice(0, 19)}Z: ${oneLine(reasons.join('; '))}`,
      waitingInAll,
    ),
  ].join('\n')
}

function section<T>(title: string, all: T[], line: (one: T) => string, inAll = all.length): string[] {
  if (inAll === 0) return []
  const lines = all.slice(0, most).map(line)
  return ['', `#### ${title}`, '', ...lines, ...(inAll > lines.length ? [`- and ${inAll - lines.length} more`] : [])]
}

function oneLine(text: string): string {
  return text.replaceAll(/\s+/g, ' ')
}
