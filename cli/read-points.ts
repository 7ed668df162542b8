import { CodedError } from '../errors/coded-error.js'
import type { Config } from '../config/config.js'
import type { Copy } from '../targets/target.js'
import { pointsQuery, statusQuery, volumeWorkflowId, type RecoveryPoint } from '../workflows/messages.js'
import { bounded, withTemporal } from './call-volume.js'
import { commandLog, type Cli } from './context.js'
import { findVolume, isVolumeId } from './find-volume.js'
import { openCloud, type Cloud } from './open-cloud.js'

/**
 * A volume's points, newest first: as its workflow knows them, or as the targets list them when Temporal knows no such
 * workflow. A volume that Cinder no longer has is found by its id.
 * @throws CodedError `CK-VOLUME-UNKNOWN` when neither Cinder, Temporal nor a target knows it
 */
export async function readPoints(
  cli: Cli,
  config: Config,
  volume: string,
): Promise<{ volumeId: string; points: RecoveryPoint[] }> {
  const cloud = await openCloud(cli, config)
  try {
    const found = isVolumeId(volume) ? null : await findVolume(cloud.cinder, volume)
    const volumeId = found?.id ?? volume.toLowerCase()
    const known = await askWorkflow(cli, config, volumeId)
    if (known === null) {
      cli.output.note(`Temporal knows no workflow of volume ${volumeId}: these are the copies that the targets list`)
    }
    // its workflow keeps a bounded number of points; older ones lie on the targets alone
    const asksTargets = known === null || known.trimmed
    const points = asksTargets ? await askTargets(cli, config, cloud, volumeId) : known.points
    if (points.length === 0 && found === null) await findVolume(cloud.cinder, volume)
    return { volumeId, points }
  } finally {
    cloud.close()
  }
}

async function askWorkflow(
  cli: Cli,
  config: Config,
  volumeId: string,
): Promise<{ points: RecoveryPoint[]; trimmed: boolean } | null> {
  const { WorkflowNotFoundError } = await import('@temporalio/client')
  return await withTemporal(cli, config, async (client) => {
    try {
      const entity = client.workflow.getHandle(volumeWorkflowId(volumeId))
      const points = await bounded(client, () => entity.query(pointsQuery))
      const { trimmed } = await bounded(client, () => entity.query(statusQuery))
      return { points, trimmed }
    } catch (error) {
      if (error instanceof WorkflowNotFoundError) return null
      throw error
    }
  })
}

async function askTargets(cli: Cli, config: Config, cloud: Cloud, volumeId: string): Promise<RecoveryPoint[]> {
  const [{ openTargets }, { openSources }] = await Promise.all([
    import('../targets/open-targets.js'),
    import('../source/open-sources.js'),
  ])
  const { installation } = config
  const log = commandLog(config)
  const sources = openSources(config.sources)
  const targets = openTargets(config.targets, { cinder: cloud.cinder, sources, installation, log })
  const context = { signal: cli.signal, report: () => undefined }
  const lists = await Promise.all([...targets.values()].map((target) => target.listCopies(volumeId, context)))
  if (cli.signal.aborted) throw new CodedError('CK-INTERRUPTED', `interrupted by ${String(cli.signal.reason)}`)
  return pointsOfCopies(lists.flat())
}

/** Copies of one capture are one point; newest first. */
export function pointsOfCopies(copies: Copy[]): RecoveryPoint[] {
  const points = new Map<string, RecoveryPoint>()
  for (const copy of copies) {
    const { point, volumeId, projectId, archiveId, archive, slot, group, capturedAt, consistency, sizeBytes } = copy
    const known = points.get(point)
    if (known === undefined) {
      points.set(point, {
        ...{ point, volumeId, projectId, archiveId, archive, slot, group, capturedAt, consistency, sizeBytes },
        rootHash: copy.rootHash,
        copies: [copy],
      })
    } else {
      known.copies.push(copy)
      known.rootHash ??= copy.rootHash
    }
  }
  return [...points.values()].sort((a, b) => Date.parse(b.capturedAt) - Date.parse(a.capturedAt))
}
