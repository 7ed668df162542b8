import { ApplicationFailure, WorkflowFailedError } from '@temporalio/client'
import { randomUUID } from 'node:crypto'
import { afterEach, beforeEach, expect, it } from 'vitest'
import type { Verification } from '../../targets/target.js'
import type { RecoveryPoint, VerifyOutcome } from '../../workflows/messages.js'
import { pointsQuery, statusQuery, verifyFailedType, verifyNowUpdate } from '../../workflows/messages.js'
import type { verifyPoint } from '../../workflows/verify-point.js'
import { eventually, gate, workflowRig, type WorkflowRig } from '../helpers/workflow-rig.js'

let rig: WorkflowRig
let point: RecoveryPoint
const status = () => rig.entity.query(statusQuery)
const points = () => rig.entity.query(pointsQuery)

beforeEach(async () => {
  rig = await workflowRig({ targets: ['one', 'two'] })
  await rig.hint('volume.create.end')
  const made = await eventually('a point', async () => {
    const [first] = await points()
    return first ?? false
  })
  await eventually('the volume is at rest', async () => (await status()).archives.length === 0)
  point = made
  rig.calls.length = 0
})
afterEach(async () => {
  await rig.close()
})

async function verify(targets: string[] | null = null, name = point.point) {
  const args: [{ id: string; point: string; targets: string[] | null }] = [{ id: randomUUID(), point: name, targets }]
  const { verification } = await rig.entity.executeUpdate(verifyNowUpdate, { args })
  await eventually('it is begun', async () => (await status()).verifications.length === 0)
  return rig.temporal.client.workflow.getHandle<typeof verifyPoint>(verification)
}

function reads(state: Verification['state'], reason: string | null = null): void {
  rig.acts.verifyCopy = async () => ({ state, rootHash: 'sha256-4m:aa', reason, readBytes: 4 })
}

async function failureOf(result: Promise<unknown>): Promise<{ message: string; type: string; outcome: VerifyOutcome }> {
  const error: unknown = await result.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  if (!(error instanceof WorkflowFailedError) || !(error.cause instanceof ApplicationFailure)) throw error as Error
  const { message, type, details } = error.cause
  return { message, type: type ?? '', outcome: details?.[0] as VerifyOutcome }
}

it('reads every copy back without its capture, and tells the volume when it was verified last', async () => {
  const before = point.copies.map(({ verifiedAt }) => verifiedAt)
  const { copies } = await (await verify()).result()
  expect(copies.map(({ target, found }) => [target, found]).sort()).toEqual([
    ['one', 'verified'],
    ['two', 'verified'],
  ])
  expect(rig.named('verifyCopy').map(({ request }) => request['capture'])).toEqual([null, null])
  expect(rig.named('takeCapture')).toHaveLength(0)
  await eventually('the volume knows', async () => {
    const [known] = await points()
    return known?.copies.every(({ verifiedAt }) => verifiedAt !== null && !before.includes(verifiedAt)) === true
  })
})

it('reads back only what was asked for', async () => {
  const { copies } = await (await verify(['two'])).result()
  expect(copies.map(({ target }) => target)).toEqual(['two'])
})

it('marks a copy that is damaged, fails, and the volume is failing at once', async () => {
  const { verifyCopy } = rig.acts
  rig.acts.verifyCopy = async (request) =>
    request.target === 'one'
      ? { state: 'damaged', rootHash: 'sha256-4m:aa', reason: 'other hash', readBytes: 1 }
      : verifyCopy(request)
  const { message, type, outcome } = await failureOf((await verify()).result())
  expect(type).toBe(verifyFailedType)
  expect(message).toContain(`db@${point.point} is not proven on one\n  one: CK-COPY-DAMAGED`)
  expect(outcome.copies.map(({ target, found }) => [target, found])).toContainEqual(['two', 'verified'])
  expect(rig.stored.get('one')).toMatchObject([{ state: 'damaged', verifiedAt: null }])
  await eventually('it is failing', async () => (await status()).protection === 'failing')
  await eventually('its column says so', async () => {
    const { typedSearchAttributes } = await rig.entity.describe()
    return typedSearchAttributes.getAll().some(({ key, value }) => key.name === 'protection' && value === 'failing')
  })
})

it('leaves the mark of a copy that was verified, when this time it could not be compared', async () => {
  reads('unverified', 'no source reaches it')
  const { copies } = await (await verify(['one'])).result()
  expect(copies).toMatchObject([{ found: 'unverified', reason: 'no source reaches it', copy: { state: 'verified' } }])
  expect(rig.named('markCopy')).toHaveLength(0)
  expect((await status()).protection).toBe('protected')
})

it('removes what it restored when it could not read on, and says why', async () => {
  rig.acts.verifyCopy = async () => {
    throw ApplicationFailure.create({ type: 'CK-CLOUD-QUOTA', message: 'CK-CLOUD-QUOTA  full', nonRetryable: true })
  }
  const { outcome } = await failureOf((await verify(['one'])).result())
  expect(outcome.copies).toMatchObject([
    { found: null, failure: { code: 'CK-CLOUD-QUOTA' }, copy: { state: 'verified' } },
  ])
  expect(rig.named('removeTemporaries').map(({ request }) => request['archiveId'])).toEqual([point.archiveId])
  expect(rig.stored.get('one')).toMatchObject([{ state: 'verified' }])
})

it('holds no lane: an archive goes on beside it', async () => {
  const reading = gate()
  const { verifyCopy } = rig.acts
  rig.acts.verifyCopy = async (request) => {
    if (request.capture === null) await reading.opened
    return verifyCopy(request)
  }
  const verification = await verify()
  await eventually('it reads', () => rig.named('verifyCopy').length === 2)
  await rig.hint('volume.create.end')
  await eventually('another point', async () => (await points()).length === 2)
  reading.open()
  await verification.result()
})

it('waits until the archive that makes the point has ended', async () => {
  const reading = gate()
  const { verifyCopy } = rig.acts
  rig.acts.verifyCopy = async (request) => {
    if (request.capture !== null) await reading.opened
    return verifyCopy(request)
  }
  await rig.hint('volume.create.end')
  const { archiveId } = await eventually('it runs', async () => (await status()).archives[0] ?? false)
  const name = `2026-01-01T00:00:00Z-${archiveId.slice(0, 8)}`
  await rig.entity.executeUpdate(verifyNowUpdate, { args: [{ id: 'early', point: name, targets: null }] })
  await eventually('it is read back by its archive', () => rig.named('verifyCopy').length === 2)
  expect((await status()).verifications).toHaveLength(1)
  reading.open()
  await eventually('it is begun', async () => (await status()).verifications.length === 0)
})

it('asks the targets for the copies of a point that the volume’s workflow does not know', async () => {
  rig.acts.planVerify = async () => {
    throw ApplicationFailure.create({ type: 'CK-POINT-UNKNOWN', message: 'no copy', nonRetryable: true })
  }
  const verification = await verify(null, '2020-01-01T00:00:00Z-00000000')
  expect((await failureOf(verification.result())).type).toBe('CK-POINT-UNKNOWN')
  expect(rig.named('planVerify')[0]?.request['copies']).toEqual([])
})
