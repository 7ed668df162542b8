/**
 * Runs one server for a parent that may die at any moment: `guard.mjs <grace seconds> <command> <arguments…>`.
 * The server and its children are stopped when our stdin ends, which the kernel sees to however the parent ends; so
 * nothing is left running after an exception, Ctrl-C or kill -9. Ends with the server's exit code.
 */
import { spawn } from 'node:child_process'
import process from 'node:process'
import { setTimeout } from 'node:timers'

const [grace = '10', command = '', ...args] = process.argv.slice(2)
// a group of its own, so that all of it can be stopped, and Ctrl-C in the terminal stays the parent's to answer
const server = spawn(command, args, { detached: true, stdio: ['ignore', 'inherit', 'inherit'] })

server.once('error', (error) => {
  process.stderr.write(`${command}: ${error.message}\n`)
  process.exit(127)
})
server.once('exit', (code, signal) => {
  signalGroup('SIGKILL')
  process.exit(signal === null ? code : 128)
})
process.stdin.once('close', stop).resume()
process.on('SIGTERM', stop)
process.on('SIGINT', () => undefined)
process.on('SIGHUP', () => undefined)

function stop() {
  signalGroup('SIGTERM')
  setTimeout(() => signalGroup('SIGKILL'), Number(grace) * 1000)
}

function signalGroup(signal) {
  try {
    process.kill(-server.pid, signal)
  } catch (error) {
    if (error.code !== 'ESRCH') throw error
  }
}
