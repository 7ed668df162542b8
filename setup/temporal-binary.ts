import { access, chmod, mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { findCommand, runCommand } from './command.js'
import { withLock } from './lock.js'
import { cacheDirectory, projectRoot } from './project.js'
import { say } from './say.js'

/** The CLI that `temporal-cli/go.mod` pins; the binary's name in the cache. */
const pinnedVersion = '1.8.2'
const cliPackage = 'github.com/temporalio/cli/cmd/temporal'
/** The SDK's own download says nothing while it waits, so it does not wait for ever. */
const downloadSeconds = 180

export interface TemporalBinary {
  path: string
  /** For people: where it came from. */
  how: string
}

/**
 * A Temporal CLI with its dev server: on `PATH`, built with Go, or downloaded by Temporal's SDK, in this order; what is
 * built or downloaded is kept in the user's cache for the next time.
 * @returns the binary, or why each way was closed, one sentence each
 */
export async function findTemporalBinary(): Promise<TemporalBinary | { reasons: string[] }> {
  const onPath = findCommand('temporal')
  if (onPath !== null) return { path: onPath, how: `${onPath} on PATH` }
  const reasons = ['no temporal is on PATH']
  for (const way of [builtWithGo, downloadedBySdk]) {
    const found = await way()
    if (typeof found !== 'string') return found
    reasons.push(found)
  }
  return { reasons }
}

async function builtWithGo(): Promise<TemporalBinary | string> {
  const path = join(cacheDirectory(), `temporal-${pinnedVersion}`)
  const binary = { path, how: `Temporal CLI ${pinnedVersion} built with Go, ${path}` }
  if (await exists(path)) return binary
  const go = findCommand('go')
  if (go === null) return 'Go is not installed, so the CLI cannot be built'
  return withLock(
    `${path}.lock`,
    () => {
      say('waiting for another process that builds the Temporal CLI')
    },
    async () => ((await exists(path)) ? binary : ((await build(go, path)) ?? binary)),
  )
}

/** Builds into a folder beside `path` and renames, so that nobody sees half a binary; returns why it failed, or null. */
async function build(go: string, path: string): Promise<string | null> {
  const module = join(projectRoot, 'temporal-cli')
  const env = { ...process.env, GOWORK: 'off', GOFLAGS: '-mod=readonly' }
  say(`building the Temporal CLI ${pinnedVersion} with Go, once (some minutes and 3 GB in Go's caches)`)
  const downloads = progress((count) => `${count} Go modules fetched`)
  const listing = await runCommand(go, ['list', '-deps', cliPackage], {
    cwd: module,
    env,
    onLine: (line) => {
      if (line.startsWith('go: downloading ')) downloads()
    },
  })
  if (listing.code !== 0) return `Go could not fetch the CLI's modules: ${listing.stderr}`
  const total = listing.stdout.trim().split('\n').length
  const folder = await mkdtemp(`${path}.`)
  try {
    const built = progress((count) => `${count} of ${total} packages compiled`)
    const flags = [
      '-trimpath',
      '-ldflags',
      `-s -w -X github.com/temporalio/cli/internal/temporalcli.Version=${pinnedVersion}`,
    ]
    const target = join(folder, 'temporal')
    const building = await runCommand(go, ['build', '-v', ...flags, '-o', target, cliPackage], {
      cwd: module,
      env,
      onLine: built,
    })
    if (building.code !== 0) return `Go could not build the CLI: ${building.stderr}`
    await rename(target, path)
    say(`built ${path}`)
    return null
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** Counts, and says so every 10 s. */
function progress(words: (count: number) => string): () => void {
  let count = 0
  let said = performance.now()
  return () => {
    count += 1
    if (performance.now() - said < 10_000) return
    said = performance.now()
    say(words(count))
  }
}

/** Lets Temporal's TypeScript SDK fetch its dev server; only the file is wanted, the server it starts is stopped again. */
async function downloadedBySdk(): Promise<TemporalBinary | string> {
  const folder = join(cacheDirectory(), 'temporal-from-sdk')
  await mkdir(folder, { recursive: true })
  const earlier = await downloadedFile(folder)
  if (earlier !== null) return earlier
  say("letting Temporal's SDK download its dev server")
  const { TestWorkflowEnvironment } = await import('@temporalio/testing')
  const download = TestWorkflowEnvironment.createLocal({
    server: { executable: { type: 'cached-download', downloadDir: folder } },
  }).then(
    async (environment) => {
      await environment.teardown()
      return 'the SDK downloaded nothing'
    },
    (error: unknown) => `the SDK could not download it: ${error instanceof Error ? error.message : String(error)}`,
  )
  const limit = sleep(downloadSeconds * 1000, `the SDK's download took longer than ${downloadSeconds} s`, {
    ref: false,
  })
  const reason = await Promise.race([download, limit])
  return (await downloadedFile(folder)) ?? reason
}

async function downloadedFile(folder: string): Promise<TemporalBinary | null> {
  // the SDK writes under another name first and renames
  const name = (await readdir(folder)).find((file) => file.startsWith('temporal-') && !file.includes('downloading'))
  if (name === undefined) return null
  const path = join(folder, name)
  await chmod(path, 0o755)
  return { path, how: `the SDK's download, ${path}` }
}

async function exists(path: string): Promise<boolean> {
  try {
    await access(path)
    return true
  } catch {
    return false // to be made
  }
}
