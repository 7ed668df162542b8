import { it } from 'vitest'
import { recordFrozen } from './record-frozen.js'
import { recordBusyVolume, recordNearTarget, recordTroubledVolume, recordScheduledVolume } from './record-histories.js'

// `RECORD_HISTORIES=1 npm test -- test/workflows/record-histories`
const record = it.runIf(process.env['RECORD_HISTORIES'] === '1')

record('a busy volume', recordBusyVolume, 120_000)
record('a volume with a target that only movers reach', recordNearTarget, 120_000)
record('volumes whose servers were frozen', recordFrozen, 120_000)
record('a volume in trouble', recordTroubledVolume, 120_000)
record('a volume with a schedule, a window and a verification', recordScheduledVolume, 120_000)
