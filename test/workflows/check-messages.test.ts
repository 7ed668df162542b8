import { expect, it } from 'vitest'
import {
  checkArchiveNow,
  checkPause,
  checkResume,
  checkVerifyNow,
  isBrake,
  isPermitRequest,
} from '../../workflows/check-messages.js'
import { isCopy } from '../../workflows/volume-points.js'
import { pause, request } from './permit-requests.js'
import { copy } from './volume-samples.js'

it('what the product itself sends is taken', () => {
  checkArchiveNow({ id: 'x', targets: null })
  checkVerifyNow({ id: 'x', point: 'p', targets: ['a'] })
  checkPause({ scope: 'all', by: 'ann', reason: null })
  checkResume({ scope: 'all' })
  expect(isPermitRequest(request({ scopes: { all: null, 'target:a': 1 } }))).toBe(true)
  expect(isBrake({ scope: 'all', paused: pause })).toBe(true)
  expect(isBrake({ scope: 'all', paused: null })).toBe(true)
  expect(isCopy(copy('a', 1))).toBe(true)
})

const nonsense = [undefined, null, 'x', 3, [], {}] as never[]

it.each(nonsense)('an update that says %j is refused', (said) => {
  for (const check of [checkArchiveNow, checkVerifyNow, checkPause, checkResume]) {
    expect(() => {
      check(said)
    }).toThrow(/wants/)
  }
})

it.each(nonsense)('a signal that says %j is left out', (said) => {
  for (const isRight of [isPermitRequest, isBrake, isCopy]) expect(isRight(said)).toBe(false)
})

it('what would stop a workflow later is left out as well', () => {
  expect(isPermitRequest({ ...request(), since: 9e15 })).toBe(false)
  expect(isPermitRequest({ ...request(), permits: [null] })).toBe(false)
  expect(isCopy({ ...copy('a', 1), capturedAt: 'yesterday' })).toBe(false)
  expect(() => {
    checkVerifyNow({ id: 'x', point: 'p'.repeat(1000), targets: null })
  }).toThrow(/wants/)
})
