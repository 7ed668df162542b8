import { workflowTypes, type RecoveryPoint } from '../workflows/messages.js'
import type { Volume } from '../openstack/cinder.js'
import type { Play } from './acts.js'
import { printTable } from './script.js'
import { pointsOf } from './watch.js'

/** The tables at the end: what was seen and made, each copy with its hash, what was survived. */
export async function report({ stage, script }: Play, volumes: Volume[]): Promise<void> {
  const rows: [Volume, RecoveryPoint][] = []
  for (const volume of volumes) for (const point of await pointsOf(stage, volume.id)) rows.push([volume, point])
  const copies = rows.flatMap(([, point]) => point.copies)
  const inState = (state: string): number => copies.filter((copy) => copy.state === state).length
  const counted = async (status: string): Promise<string> => {
    const query = `WorkflowType = '${workflowTypes.archiveVolume}' AND ExecutionStatus = '${status}'`
    return String((await stage.client.workflow.count(query)).count)
  }
  script.check('one damaged backup was found', inState('damaged') === 1)
  printTable(
    ['volume', 'recovery point', 'consistency', 'copy', 'hash'],
    rows.map(
      ([
        volume,
        {
          point,
          consistency,
          copies: [copy],
          rootHash,
        },
      ]) => {
        return [volume.name, point, consistency, copy?.state ?? '', rootHash ?? '']
      },
    ),
  )
  printTable(['fault', 'survived'], script.faults)
  printTable(
    ['events seen', 'archives', 'failed', 'verified copies', 'faults survived', 'damaged backups found'],
    [
      [
        String(stage.sandbox.notifier.published.length),
        await counted('Completed'),
        await counted('Failed'),
        String(inState('verified')),
        String(script.faults.length),
        String(inState('damaged')),
      ],
    ],
  )
}
