import { readdir, readlink, realpath } from 'node:fs/promises'

/**
 * Whether a `virsh` that may freeze still runs, whoever started it, and although that one is dead: it has the file open
 * that its answer goes to. One that was slow to start may freeze long after it was given up.
 */
export async function freezeRuns(said: string): Promise<boolean> {
  let wanted: string
  try {
    wanted = await realpath(said)
  } catch {
    return false // the file is there before the program is
  }
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    // processes of other users, and those that just ended, cannot be looked into: ours can
    const descriptors = await readdir(`/proc/${pid}/fd`).catch(() => [])
    for (const one of descriptors) {
      if ((await readlink(`/proc/${pid}/fd/${one}`).catch(() => '')) === wanted) return true
    }
  }
  return false
}
