import { readFileSync } from 'node:fs'
import { copyFile, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { sendJson } from '../helpers/with-http.js'
import { fakeCloud, projectId } from './fake-cloud.js'

const file = (name: string) => fileURLToPath(new URL(`../fixtures/tls/${name}`, import.meta.url))
const tls = { key: readFileSync(file('server.key'), 'utf8'), cert: readFileSync(file('server.pem'), 'utf8') }

async function cloudWithTls() {
  return await fakeCloud((_received, response) => {
    sendJson(response, 202, {})
  }, tls)
}

it('trusts the authority of the CA file', async () => {
  const cloud = await cloudWithTls()
  const session = cloud.connect({ cacert: file('authority.pem') })
  expect(await session.projectId()).toBe(projectId)
  await session.request('block-storage', { method: 'POST', path: '/volumes', json: {} })
})

it.each([undefined, 'other-authority.pem'])('sends nothing to a stranger, whose CA file is not %s', async (other) => {
  const cloud = await cloudWithTls()
  const session = cloud.connect(other === undefined ? {} : { cacert: file(other) })
  const error = await cloud.failure(session.projectId())
  expect(error.code).toBe('CK-CLOUD-UNAVAILABLE')
  expect(error.cure).toContain('cacert')
  expect(cloud.server.received).toHaveLength(0)
})

it('knows that a POST did not arrive when the certificate was refused', async () => {
  const cloud = await fakeCloud(() => undefined)
  const stranger = await cloudWithTls()
  const session = cloud.connect({ endpointOverrides: { 'block-storage': stranger.server.url } })
  const error = await cloud.failure(session.request('block-storage', { method: 'POST', path: '/volumes', json: {} }))
  expect(error.message).toContain('certificate')
  expect(error.code).toBe('CK-CLOUD-UNAVAILABLE')
})

it('accepts any certificate only when it is told to', async () => {
  const cloud = await cloudWithTls()
  expect(await cloud.connect({ verify: false }).projectId()).toBe(projectId)
})

it('names the file and the key when the CA file is missing or no PEM', async () => {
  const cloud = await cloudWithTls()
  const missing = await cloud.failure(cloud.connect({ cacert: '/nowhere/ca.pem' }).projectId())
  expect(missing.code).toBe('CK-CLOUD-CONFIG')
  expect(missing.message).toContain('cacert: cannot read /nowhere/ca.pem')
  const wrong = await cloud.failure(
    cloud
      .connect({
        cacert: fileURLToPath(import.meta.url)
          .replace('tls', 'fake-cloud')
          .replace('.test', ''),
      })
      .projectId(),
  )
  expect(wrong.message).toContain('is no PEM file')
})

it('reads a CA file again that could not be read', async () => {
  const cloud = await cloudWithTls()
  const folder = await mkdtemp(join(tmpdir(), 'ck-tls-'))
  const cacert = join(folder, 'ca.pem')
  const session = cloud.connect({ cacert })
  expect((await cloud.failure(session.projectId())).code).toBe('CK-CLOUD-CONFIG')
  await copyFile(file('authority.pem'), cacert)
  expect(await session.projectId()).toBe(projectId)
  await rm(folder, { recursive: true })
})
