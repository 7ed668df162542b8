import { didYouMean } from '../config/nearest.js'
import { CodedError } from '../errors/coded-error.js'
import type { RecoveryPoint } from '../workflows/messages.js'

/** The last `@` parts them: names of volumes may hold one, points never do. @throws CodedError `CK-USAGE` */
export function splitPoint(written: string): { volume: string; name: string } {
  const at = written.lastIndexOf('@')
  if (at <= 0 || at === written.length - 1) {
    throw new CodedError('CK-USAGE', `"${written}" names no point`, {
      cure: 'Write VOLUME@<point>, or VOLUME@latest; `cinderkeep points VOLUME` lists them.',
    })
  }
  return { volume: written.slice(0, at), name: written.slice(at + 1) }
}

/**
 * @param volume as it was written
 * @param points newest first
 * @throws CodedError `CK-POINT-UNKNOWN`
 */
export function findPoint(volume: string, volumeId: string, points: RecoveryPoint[], name: string): RecoveryPoint {
  const point = name === 'latest' ? points[0] : points.find((one) => one.point === name)
  if (point !== undefined) return point
  const known = points.map((one) => one.point)
  const which = known.length === 0 ? 'it has none' : `\`cinderkeep points ${volume}\` lists its ${known.length}`
  throw new CodedError('CK-POINT-UNKNOWN', `volume ${volumeId} has no point "${name}"${didYouMean(name, known)}`, {
    cure: `Give one of its points, or latest: ${which}.`,
  })
}
