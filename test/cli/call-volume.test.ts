import { expect, it } from 'vitest'
import { toCoded } from '../../cli/call-volume.js'

it('says of a request that no worker answered that it may still be accepted', () => {
  const deadline = Object.assign(new Error('deadline exceeded'), { code: 4 })
  expect(toCoded(deadline, { options: { namespace: 'default' } })).toMatchObject({
    code: 'CK-WORKER-AWAY',
    cure: expect.stringContaining('may still be accepted when a worker comes') as unknown,
  })
})
