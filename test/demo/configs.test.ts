import { expect, it } from 'vitest'
import { parseConfig } from '../../config/load.js'
import { picturesConfig } from '../../demo/pictures-config.js'

it('takes the pictures with a configuration that is accepted', () => {
  const text = picturesConfig({
    queue: 'ck-pictures',
    bind: { exchange: 'pictures', topics: ['notifications'] },
    dir: '/d',
  })
  expect(parseConfig('cinderkeep.yaml', text).policies).toHaveProperty('uploads')
})
