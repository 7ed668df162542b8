import { homedir, tmpdir } from 'node:os'
import { onTestFinished } from 'vitest'
import { silentLog } from '../../log/log.js'
import { loadCloud } from '../../openstack/clouds-yaml.js'
import { connectCloud, type CloudSession } from '../../openstack/session.js'

/** A session of our own client with these `OS_*`. */
export async function sessionOf(env: Record<string, string>): Promise<CloudSession> {
  return connectCloud(await loadCloud({ env, cwd: tmpdir(), home: homedir() }), { log: silentLog })
}

/** The same, closed when the test is over. */
export async function testSession(env: Record<string, string>): Promise<CloudSession> {
  const session = await sessionOf(env)
  onTestFinished(() => {
    session.close()
  })
  return session
}
