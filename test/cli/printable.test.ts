import { describe, expect, it } from 'vitest'
import { json } from '../../cli/output.js'
import { printable } from '../../cli/printable.js'
import { table } from '../../cli/table.js'

const name = 'db\u001b[2J\nfake  row\u009b31m'

describe('a name with control characters', () => {
  it('cannot steer a terminal, nor make a line of its own in a table', () => {
    expect(printable(name)).toBe('db\ufffd[2J\ufffdfake  row\ufffd31m')
    expect(printable('two\nlines\r', '\n')).toBe('two\nlines\ufffd')
    expect(table(['name'], [[name]]).split('\n')).toHaveLength(2)
  })

  it('is itself again when JSON is read', () => {
    expect(json([name])).toContain('\\u009b')
    expect(JSON.parse(json([name]))).toEqual([name])
  })
})
