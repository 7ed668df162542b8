import { ApplicationFailure, CancelledFailure } from '@temporalio/common'
import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { failureInterceptor, toFailure } from '../../activities/failures.js'
import { CodedError } from '../../errors/coded-error.js'
import { silentLog } from '../../log/log.js'
import { CloudError } from '../../openstack/errors.js'
import { environment } from './bench.js'

const coded = (code: `CK-${string}`) => new CodedError(code, 'what happened', { cure: 'what to do' })

function failureOf(error: unknown, activity = 'writeCopy'): ApplicationFailure {
  const failure = toFailure(error, activity)
  if (!(failure instanceof ApplicationFailure)) throw new Error('no ApplicationFailure')
  return failure
}

const call = { service: 'Cinder', method: 'POST', path: '/snapshots', requestId: 'req-1' }

describe('toFailure', () => {
  it('tells which attempt it was: earlier ones may have done something', () => {
    expect(toFailure(coded('CK-VOLUME-GONE'), 'takeCapture', 2)).toMatchObject({ details: [{ attempt: 2 }] })
  })

  it.each([
    'CK-VOLUME-GONE',
    'CK-CAPTURE-LOST',
    'CK-CONSISTENCY-FLOOR',
    'CK-BACKUP-FAILED',
    'CK-COPY-GONE',
    'CK-SAME-CLUSTER',
    'CK-FORCE-REFUSED',
    'CK-CLOUD-BAD-REQUEST',
    'CK-CLOUD-FORBIDDEN',
    'CK-CLOUD-QUOTA',
    'CK-CLOUD-ANSWER-INVALID',
  ] as const)('gives up on %s: trying again cannot mend it', (code) => {
    expect(failureOf(coded(code))).toMatchObject({ type: code, nonRetryable: true })
  })

  it('gives up what is put off without calling it an error', () => {
    expect(failureOf(coded('CK-DEFERRED'))).toMatchObject({ nonRetryable: true, category: 'BENIGN' })
    expect(failureOf(coded('CK-CLOUD-QUOTA')).category).not.toBe('BENIGN')
  })

  it.each([
    'CK-CLOUD-UNAVAILABLE',
    'CK-CLOUD-ANSWER-LOST',
    'CK-CLOUD-RATE-LIMIT',
    'CK-CLOUD-CONFLICT',
    'CK-CLOUD-UNAUTHORIZED',
    'CK-BACKUP-SERVICE-DOWN',
    'CK-RESTORE-FAILED',
    'CK-SCRATCH-LOST',
    'CK-SNAPSHOT-FAILED',
    'CK-SNAPSHOT-GONE',
    'CK-SNAPSHOT-BUSY',
    'CK-VOLUME-FAILED',
    'CK-SOURCE-COMMAND',
    'CK-SOURCE-DENIED',
  ] as const)('tries again after %s', (code) => {
    expect(failureOf(coded(code))).toMatchObject({ type: code, nonRetryable: false })
  })

  it('never gives up acts that remove what we made, write down what was found, rebuild, or tell what is told once', () => {
    const acts = ['releaseCapture', 'removeTemporaries', 'undoArchive', 'markCopy', 'listCopies', 'beginRebuild']
    for (const act of [...acts, 'hintServer']) {
      for (const code of ['CK-CLOUD-FORBIDDEN', 'CK-CLOUD-NOT-FOUND'] as const)
        expect(failureOf(coded(code), act), act).toMatchObject({ nonRetryable: false })
    }
    for (const act of ['takeCapture', 'writeCopy', 'verifyCopy', 'assess']) {
      expect(failureOf(coded('CK-CLOUD-FORBIDDEN'), act), act).toMatchObject({ nonRetryable: true })
    }
  })

  it('gives up on a target that the configuration does not have, also when cleaning up', () => {
    for (const act of ['writeCopy', 'removeTemporaries', 'listCopies']) {
      expect(failureOf(coded('CK-TARGET-UNKNOWN'), act), act).toMatchObject({ nonRetryable: true })
    }
  })

  it('waits as long as the cloud asks to', () => {
    const limited = new CloudError('CK-CLOUD-RATE-LIMIT', 'too many requests', { ...call, retryAfterSeconds: 17 })
    expect(failureOf(limited).nextRetryDelay).toBe('17 seconds')
    const silent = new CloudError('CK-CLOUD-RATE-LIMIT', 'too many requests', { ...call, retryAfterSeconds: null })
    expect(failureOf(silent).nextRetryDelay).toBeUndefined()
  })

  it('asks no service that says Retry-After: 0 without any pause', () => {
    const zero = new CloudError('CK-CLOUD-UNAVAILABLE', 'the service failed', { ...call, retryAfterSeconds: 0 })
    expect(failureOf(zero).nextRetryDelay).toBeUndefined()
  })

  it('says code, what happened and what to do, and nothing of what lies beneath', () => {
    const cause = new Error('Authorization: gAAAAABsecret')
    const error = new CodedError('CK-CLOUD-FORBIDDEN', 'Cinder POST /snapshots: not allowed', {
      cure: 'Give it.',
      cause,
    })
    const failure = failureOf(error)
    expect(failure.message).toBe('CK-CLOUD-FORBIDDEN  Cinder POST /snapshots: not allowed\n  Give it.')
    expect(failure.cause).toBeUndefined()
    expect(JSON.stringify([failure, failure.details])).not.toContain('gAAAAAB')
    expect(failureOf(new CodedError('CK-CLOUD-FORBIDDEN', 'no')).message).toBe('CK-CLOUD-FORBIDDEN  no')
  })

  it('leaves cancellation and what is no error of ours as it is', () => {
    const cancelled = new CancelledFailure('cancelled')
    const running = ApplicationFailure.create({ type: 'CK-ARCHIVE-RUNNING', message: 'still runs' })
    const defect = new TypeError('a defect')
    for (const error of [cancelled, running, defect]) expect(toFailure(error, 'writeCopy')).toBe(error)
  })

  it('names no code that nothing throws', () => {
    const root = fileURLToPath(new URL('../..', import.meta.url))
    const codes = [...readFileSync(join(root, 'activities/failures.ts'), 'utf8').matchAll(/'(CK-[A-Z-]+)',/g)]
    const sources = ['activities', 'openstack', 'source', 'targets', 'quiesce'].flatMap((room) =>
      readdirSync(join(root, room), { recursive: true, encoding: 'utf8' })
        .filter((file) => file.endsWith('.ts') && file !== 'failures.ts')
        .map((file) => readFileSync(join(root, room, file), 'utf8')),
    )
    expect(codes.length).toBeGreaterThan(5)
    for (const [, code = ''] of codes) {
      expect(
        sources.some((text) => text.includes(`'${code}'`)),
        code,
      ).toBe(true)
    }
  })
})

describe('failureInterceptor', () => {
  function remember() {
    const lines: { level: string; fields: Record<string, unknown>; message: string }[] = []
    const at = (level: string) => (fields: Record<string, unknown>, message: string) => {
      lines.push({ level, fields, message })
    }
    const log = { ...silentLog, warn: at('warn'), error: at('error') }
    const attempt = async (error: Error): Promise<unknown> =>
      environment({ activityType: 'writeCopy', attempt: 3 }).run(async () =>
        failureInterceptor(log)
          .execute?.({ args: [], headers: {} }, async () => Promise.reject(error))
          .catch((thrown: unknown) => thrown),
      )
    return { lines, attempt }
  }

  it('casts and logs an error with the ids of the UI', async () => {
    const { lines, attempt } = remember()
    expect(await attempt(coded('CK-BACKUP-FAILED'))).toMatchObject({ type: 'CK-BACKUP-FAILED', nonRetryable: true })
    expect(lines).toMatchObject([
      { level: 'warn', fields: { activity: 'writeCopy', attempt: 3, archive: 'test', code: 'CK-BACKUP-FAILED' } },
    ])
  })

  it('calls a defect an error, and says nothing of what is no trouble', async () => {
    const { lines, attempt } = remember()
    await attempt(ApplicationFailure.create({ type: 'CK-ARCHIVE-RUNNING', message: 'still runs', category: 'BENIGN' }))
    await attempt(new CancelledFailure('cancelled'))
    await attempt(new DOMException('This operation was aborted', 'AbortError'))
    expect(lines).toEqual([])
    await attempt(new TypeError('a defect'))
    expect(lines).toMatchObject([{ level: 'error', fields: { activity: 'writeCopy' } }])
  })
})
