import { randomBytes, randomUUID } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { stringify } from 'yaml'
import { silentLog } from '../log/log.js'
import { cinder, type Cinder, type Volume } from '../openstack/cinder.js'
import { loadCloud } from '../openstack/clouds-yaml.js'
import { connectCloud } from '../openstack/session.js'
import { findCommand, runCommand } from '../setup/command.js'
import { labAnswers, labEnvironment } from '../setup/lab-environment.js'
import { projectRoot } from '../setup/project.js'
import { createNamespace, prepareNamespace, removeNamespace } from '../setup/temporal-namespace.js'
import { createRoles } from './roles.js'
import { environment, type Stage } from './stage.js'

/** A control worker and a mover of their own on the cloud of `lab/`, which has a second Ceph cluster. */
export interface CephStage {
  cinder: Cinder
  /** `rbd ARGUMENTS…` as the administrator of the cluster of the volumes. */
  rbd(...args: string[]): Promise<string>
  /** `cinderkeep ARGUMENTS…` as a person would type it; what it printed. */
  cinderkeep(...args: string[]): Promise<string>
  /** A volume of 1 GiB that is archived when it is asked for; when all is over it is removed, and its copies. */
  newVolume(name: string): Promise<Volume>
}

/** Why there is nothing to play on; null: there is. */
export async function whyNoLab(): Promise<string | null> {
  const isUp = await labEnvironment().then(labAnswers, () => false)
  if (isUp) return null
  return findCommand('rbd') === null ? 'there is no Ceph on this machine' : 'no lab with its two Ceph clusters is up'
}

/** To be called where `whyNoLab` knows no reason. The stage closes it. */
export async function openCephStage(stage: Stage): Promise<CephStage> {
  const { dir, temporal } = stage
  const lab = await labEnvironment()
  const [volumesConf = '', copiesConf = ''] = [lab['LAB_PROD_CEPH_CONF'], lab['LAB_BACKUP_CEPH_CONF']]
  // what is in the lab's cloud beside is no business of a demo's
  const metadata = { archive: temporal.namespace }
  const own = join(dir, 'ceph')
  await mkdir(own, { recursive: true })
  const macKey = { file: join(own, 'mac.key') }
  await writeFile(macKey.file, randomBytes(64), { mode: 0o600 })
  const configFile = join(own, 'cinderkeep.yaml')
  const users = { write: 'ck-write', remove: 'ck-remove' }
  await writeFile(
    configFile,
    stringify({
      installation: randomUUID(),
      sources: [{ match: '*@ceph#*', kind: 'rbd', conf: volumesConf, user: lab['LAB_CEPH_USER'], pool: 'volumes' }],
      targets: { 'second-site': { kind: 'ceph', conf: copiesConf, users, pool: 'archives', macKey } },
      policies: { demo: { where: { metadata }, copies: [{ target: 'second-site' }] } },
      drain: '10s',
    }),
  )
  // other policies than those of the sandbox's cloud are applied to it
  const namespace = `${temporal.namespace}-ceph`
  await createNamespace(temporal.address, namespace)
  stage.atClose(async () => removeNamespace(temporal.address, namespace))
  await prepareNamespace(temporal.address, namespace)
  const os = Object.fromEntries(Object.entries(lab).filter(([name]) => name.startsWith('OS_')))
  const env = {
    ...environment({}),
    ...os,
    ...{ TEMPORAL_ADDRESS: temporal.address, TEMPORAL_NAMESPACE: namespace, NO_COLOR: '1' },
  }
  const session = connectCloud(await loadCloud({ env: os, cwd: dir, home: dir }), { log: silentLog })
  const volumes = cinder(session)
  const made: string[] = []
  stage.atClose(async () => {
    for (const id of made) await volumes.deleteVolume(id).catch(() => undefined) // most are gone
    session.close()
    await removeCopies(copiesConf, made)
  })
  const roles = createRoles({ configFile, env, logFile: join(own, 'cinderkeep.log') })
  stage.atClose(() => roles.stop())
  for (const role of ['control', 'mover'] as const) roles.start(role)

  const main = join(projectRoot, 'dist', 'cli', 'main.js')
  return {
    cinder: volumes,
    rbd: (...args) => run('rbd', ['--conf', volumesConf, ...args]),
    cinderkeep: (...args) => run(process.execPath, [main, ...args, '--config', configFile], env),
    async newVolume(name) {
      const { id } = await volumes.createVolume({ name, sizeGib: 1, metadata })
      made.push(id)
      for (;;) {
        const volume = await volumes.getVolume(id)
        if (volume.status === 'available') return volume
        if (volume.status !== 'creating') throw new Error(`volume ${id} is ${volume.status}`)
        await sleep(200)
      }
    },
  }
}

async function removeCopies(conf: string, volumeIds: string[]): Promise<void> {
  const images = JSON.parse(await run('rbd', ['--conf', conf, 'ls', 'archives', '--format', 'json'])) as string[]
  for (const image of images.filter((name) => volumeIds.some((id) => name.includes(id)))) {
    await run('rbd', ['--conf', conf, 'snap', 'purge', '--no-progress', `archives/${image}`])
    await run('rbd', ['--conf', conf, 'rm', '--no-progress', `archives/${image}`])
  }
}

async function run(command: string, args: string[], env: NodeJS.ProcessEnv = process.env): Promise<string> {
  const { code, stdout, stderr } = await runCommand(command, args, { env })
  if (code !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${code}: ${stderr}`)
  return stdout
}
