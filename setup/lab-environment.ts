import { join } from 'node:path'
import { CodedError } from '../errors/coded-error.js'
import { runCommand } from './command.js'
import { projectRoot } from './project.js'

const lab = join(projectRoot, 'lab', 'lab')

/** Our environment with what `lab/lab env` adds. @throws CodedError `CK-SETUP-LAB` when no lab was ever up */
export async function labEnvironment(): Promise<NodeJS.ProcessEnv> {
  const script = `set -e; exports=$("$0" env); eval "$exports"; exec "$1" -p 'JSON.stringify(process.env)'`
  const { code, stdout, stderr } = await runCommand('bash', ['-c', script, lab, process.execPath])
  if (code !== 0) {
    throw new CodedError('CK-SETUP-LAB', `the lab is not up: ${stderr}`, { cure: 'Start it: lab/lab up, as root.' })
  }
  return JSON.parse(stdout) as NodeJS.ProcessEnv
}

/** Whether everything of the lab runs and answers now. */
export async function labAnswers(): Promise<boolean> {
  return (await runCommand(lab, ['status'])).code === 0
}
