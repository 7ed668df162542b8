import { describe, expect, it } from 'vitest'
import type { Deps } from '../../activities/control-activities.js'
import { markCopy, type CopyMark } from '../../activities/mark-copy.js'
import { CodedError } from '../../errors/coded-error.js'
import { silentLog } from '../../log/log.js'
import type { Copy, Target } from '../../targets/target.js'
import { environment } from './bench.js'

const copy = { volumeId: 'v', archive: 'a', target: 'cinder', state: 'unverified', rootHash: null } as Copy
const verified: CopyMark = {
  state: 'verified',
  rootHash: 'sha256-4m:aa',
  verifiedAt: '2026-01-01T00:00:00Z',
  reason: null,
}

async function mark(what: CopyMark, answer: () => Promise<Copy>): Promise<Copy> {
  const target = { markCopy: answer } as unknown as Target
  const deps = { targets: new Map([['cinder', target]]), log: silentLog } as unknown as Deps
  return environment().run(markCopy(deps), { target: 'cinder', copy, mark: what })
}

describe('markCopy', () => {
  it('answers what the target wrote', async () => {
    const written = { ...copy, ...verified }
    expect(await mark(verified, async () => written)).toBe(written)
  })

  it.each(['CK-BACKUP-GONE', 'CK-COPY-GONE', 'CK-COPY-NOT-OURS'] as const)(
    'calls a copy damaged that vanished after it was read back (%s), and does not try for ever',
    async (code) => {
      const vanished = async () => Promise.reject(new CodedError(code, 'backup b is not there'))
      expect(await mark(verified, vanished)).toMatchObject({
        ...{ state: 'damaged', verifiedAt: null, reason: 'backup b is not there' },
      })
      const damaged: CopyMark = { ...verified, state: 'damaged', verifiedAt: null, reason: 'it reads back otherwise' }
      expect(await mark(damaged, vanished)).toMatchObject({ state: 'damaged', reason: 'it reads back otherwise' })
    },
  )

  it('tells every other trouble', async () => {
    const away = async () => Promise.reject(new CodedError('CK-CLOUD-UNAVAILABLE', 'no answer'))
    await expect(mark(verified, away)).rejects.toMatchObject({ code: 'CK-CLOUD-UNAVAILABLE' })
  })
})
