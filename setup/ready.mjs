/**
 * The first step of every npm script: makes a fresh clone ready to run, and does nothing when it is.
 * Plain JavaScript on Node's own modules, because nothing else exists yet. Says each thing it does in one line on stderr.
 */
import { spawn } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import process from 'node:process'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const stamp = join(root, 'dist', '.built')

try {
  checkNode()
  if (!installed() || !built()) await locked(makeReady)
} catch (error) {
  say(error instanceof Error ? error.message : String(error))
  process.exitCode = 1
}

function checkNode() {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
  if (major > 20 || (major === 20 && minor >= 19)) return
  throw new Error(`Node 20.19 or later is needed, this is ${process.versions.node}`)
}

async function makeReady() {
  if (!installed()) {
    say('installing npm packages')
    // no package of ours needs an install script: native parts come as packages of their own
    const npm = process.env.npm_execpath
    const args = ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error']
    if (npm?.endsWith('.js')) await run(process.execPath, [npm, ...args])
    else await run('npm', args)
    if (!installed()) throw new Error('npm ci ended without error, yet node_modules is not what package-lock.json says')
  }
  if (!built()) {
    say('building')
    const started = Date.now()
    // without its output the compiler's memory of what it wrote is wrong
    if (!existsSync(stamp)) rmSync(join(root, '.cache', 'tsconfig.build.tsbuildinfo'), { force: true })
    await run(process.execPath, [join(root, 'node_modules', 'typescript', 'bin', 'tsc'), '-p', 'tsconfig.build.json'])
    const bundle = join(root, 'dist', 'worker', 'bundle.js')
    if (existsSync(bundle)) await run(process.execPath, [bundle])
    writeFileSync(stamp, `${new Date(started).toISOString()}\n`)
  }
}

/** Whether node_modules holds what the lock file says; what is optional may be for another platform. */
function installed() {
  const wanted = packages(join(root, 'package-lock.json'))
  const found = packages(join(root, 'node_modules', '.package-lock.json'))
  return Object.entries(wanted).every(
    ([path, entry]) => path === '' || entry.optional || found[path]?.version === entry.version,
  )
}

function packages(file) {
  return existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')).packages : {}
}

function built() {
  if (!existsSync(stamp)) return false
  const builtAt = Date.parse(readFileSync(stamp, 'utf8').trim())
  return newestSource(root, true) < builtAt
}

function newestSource(directory, top) {
  const skipped = top ? ['node_modules', 'dist', 'test', 'docs', 'changes', 'temporal-cli', 'coverage'] : []
  let newest = 0
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name)
    if (entry.name.startsWith('.') || skipped.includes(entry.name)) continue
    if (entry.isDirectory()) newest = Math.max(newest, newestSource(path, false))
    else if (/\.ts$|^tsconfig.*\.json$|^package-lock\.json$/.test(entry.name)) {
      newest = Math.max(newest, statSync(path).mtimeMs)
    }
  }
  return newest
}

/** One at a time in this checkout: a link that names its owner's pid is made in one step, and outlives no owner. */
async function locked(work) {
  const lock = join(root, '.cache', 'ready.lock')
  mkdirSync(dirname(lock), { recursive: true })
  for (let waited = false; !claim(lock); waited = true) {
    if (!waited) say('waiting for another process that makes this checkout ready')
    await sleep(500)
  }
  try {
    await work()
  } finally {
    rmSync(lock, { force: true })
  }
}

function claim(lock) {
  try {
    symlinkSync(String(process.pid), lock)
    return true
  } catch (error) {
    if (error.code !== 'EEXIST') throw error
    if (!ownerLives(lock)) rmSync(lock, { force: true })
    return false
  }
}

function ownerLives(lock) {
  try {
    process.kill(Number(readlinkSync(lock)), 0)
    return true
  } catch (error) {
    return error.code === 'EPERM'
  }
}

/** Runs a command with its output on stderr: stdout belongs to the command that comes after us. */
function run(command, args) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: root, stdio: ['ignore', 2, 2] })
    child.once('error', reject)
    child.once('exit', (code, signal) => {
      if (code === 0) resolve(undefined)
      else reject(new Error(`${command} ${args.join(' ')} ended with ${signal ?? `exit code ${code}`}`))
    })
  })
}

function say(line) {
  process.stderr.write(`cinderkeep: ${line}\n`)
}
