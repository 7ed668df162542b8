import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { temporalConnection } from '../../config/temporal.js'
import { CodedError } from '../../errors/coded-error.js'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ck-temporal-'))
})
afterAll(async () => {
  await rm(folder, { recursive: true })
})

async function refusal(...given: Parameters<typeof temporalConnection>): Promise<CodedError> {
  const error: unknown = await temporalConnection(...given).then(
    () => new Error('accepted'),
    (reason: unknown) => reason,
  )
  if (!(error instanceof CodedError)) throw error
  return error
}

describe('temporalConnection', () => {
  it('takes the file before the environment, and 127.0.0.1:7233 without either', async () => {
    const env = { TEMPORAL_ADDRESS: 'env:1', TEMPORAL_NAMESPACE: 'of-env' }
    expect(await temporalConnection({ address: 'file:2' }, env)).toMatchObject({
      connectionOptions: { address: 'file:2' },
      namespace: 'of-env',
    })
    expect(await temporalConnection({}, { TEMPORAL_CONFIG_FILE: join(folder, 'none.toml') })).toMatchObject({
      connectionOptions: { address: '127.0.0.1:7233' },
      namespace: 'default',
    })
  })

  it('names the option whose file cannot be read', async () => {
    const missing = join(folder, 'missing')
    expect(await refusal({ apiKeyFile: missing }, {})).toMatchObject({
      code: 'CK-CONFIG',
      message: `temporal.apiKeyFile: ${missing} cannot be read`,
    })
    expect((await refusal({ tls: { caFile: missing } }, {})).message).toMatch(/^temporal\.tls\.caFile: /)
  })

  it('says what is wrong with Temporal’s own configuration, without quoting it', async () => {
    const file = join(folder, 'temporal.toml')
    await writeFile(file, '[profile.default]\napi_key = "hunter2\n')
    const error = await refusal({}, { TEMPORAL_CONFIG_FILE: file })
    expect(error).toMatchObject({ code: 'CK-CONFIG', message: expect.stringMatching(/Invalid TOML/) as string })
    expect(`${error.stack ?? ''} ${String(error.cause)}`).not.toContain('hunter2')
    expect((await refusal({}, { TEMPORAL_PROFILE: 'nobody' })).message).toContain('nobody')
  })
})
