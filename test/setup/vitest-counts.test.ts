import { describe, expect, it } from 'vitest'
import { count } from '../../setup/vitest.js'

const file = { status: 'passed', assertionResults: [{}] }

describe('what a test run counts', () => {
  it('is what vitest counts when all is well', () => {
    expect(count({ numPassedTests: 7, numFailedTests: 0, testResults: [file] }, 0)).toEqual({ passed: 7, failed: 0 })
  })

  it('includes a file that could not be loaded', () => {
    const unloaded = { status: 'failed', assertionResults: [] }
    const report = { numPassedTests: 7, numFailedTests: 1, testResults: [file, unloaded] }
    expect(count(report, 1)).toEqual({ passed: 7, failed: 2 })
  })

  it('is never free of failures when the run failed', () => {
    expect(count({ numPassedTests: 7, numFailedTests: 0, testResults: [file] }, 1)).toEqual({ passed: 7, failed: 1 })
    expect(count(null, 1)).toEqual({ passed: 0, failed: 1 })
  })
})
