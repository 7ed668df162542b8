/** The inside of a server: an agent that freezes its filesystems, and a writer that goes on while they are not frozen. */

/** What a test may change of a guest. */
export interface GuestSettings {
  /** `absent`: none is installed; `hung`: it is there and does not answer. */
  agent: 'present' | 'absent' | 'hung'
  /** Windows thaws by itself (`thawsAfterMs`), and its thaw then fails. */
  os: 'linux' | 'windows'
  /** How many filesystems lie on each attached volume. */
  filesystems: number
  /** `hangs`: a freeze goes on until this changes, also when nobody waits for it any more. */
  freeze: 'works' | 'hangs' | 'refused'
  /** Milliseconds after which it thaws by itself, as Windows' VSS does after ten seconds; null: never. */
  thawsAfterMs: number | null
}

export interface Guest extends GuestSettings {
  frozen: boolean
  /** How often it was frozen. */
  freezes: number
  /** A freeze goes on: no other command of the agent is taken. */
  freezing: boolean
  /** It thawed by itself since it was frozen. */
  thawedEarly: boolean
  /** What the writer had written when it last stood still. */
  written: number
  /** `performance.now()` since when it writes; null while it stands still. */
  writingSince: number | null
}

/** The refusal of libvirt or of the agent, in libvirt's words. */
export class GuestError extends Error {
  override readonly name = 'GuestError'
  /** libvirt's error number, as Nova tells it (`virErrorNumber`). */
  readonly code: number

  constructor(code: number, message: string) {
    super(message)
    this.code = code
  }
}

export const newGuest = (settings: Partial<GuestSettings> = {}): Guest => ({
  ...{ agent: 'present', os: 'linux', filesystems: 1, freeze: 'works', thawsAfterMs: null },
  ...{ frozen: false, freezes: 0, freezing: false, thawedEarly: false, written: 0, writingSince: performance.now() },
  ...settings,
})

/** The writer's counter: one a millisecond while the server runs and is not frozen. */
export const writesOf = ({ written, writingSince }: Guest): number =>
  written + (writingSince === null ? 0 : Math.floor(performance.now() - writingSince))

export function stopWriting(guest: Guest): void {
  guest.written = writesOf(guest)
  guest.writingSince = null
}

/** A guest that is thawed, or whose server starts. */
export function goOnWriting(guest: Guest): void {
  guest.frozen = false
  guest.writingSince ??= performance.now()
}

/** The texts are those of libvirt 9.0 and qemu-ga 7.2 (seen; Windows' is qga/vss-win32's). */
const unresponsive = (why: string): GuestError => new GuestError(86, `Guest agent is not responding: ${why}`)
const agentFailed = (command: string, why: string): GuestError =>
  new GuestError(1, `internal error: unable to execute QEMU agent command '${command}': ${why}`)
const notRunning = (): GuestError => new GuestError(55, 'Requested operation is not valid: domain is not running')

/** What keeps any command from being carried out. */
function askAgent(guest: Guest, isRunning: boolean): void {
  if (!isRunning) throw notRunning()
  if (guest.agent === 'absent') throw unresponsive('QEMU guest agent is not connected')
  if (guest.agent === 'hung') throw unresponsive('Guest agent not available for now')
  if (guest.freezing) {
    throw new GuestError(
      68,
      'Timed out during operation: cannot acquire state change lock (held by agent=remoteDispatchDomainFSFreeze)',
    )
  }
}

/**
 * `guest-fsfreeze-freeze`.
 * @param volumes how many are attached
 * @returns how many filesystems it froze @throws GuestError
 */
export async function freezeGuest(guest: Guest, volumes: number, isRunning: () => boolean): Promise<number> {
  askAgent(guest, isRunning())
  const command = 'guest-fsfreeze-freeze'
  if (guest.frozen) throw agentFailed(command, `The command ${command} has been disabled for this instance`)
  if (guest.freeze === 'refused') throw agentFailed(command, 'failed to freeze /data: Input/output error')
  guest.freezing = true
  try {
    // a setting that another request changes
    while ((guest.freeze as GuestSettings['freeze']) === 'hangs' && isRunning()) {
      await new Promise((done) => setTimeout(done, 5).unref())
    }
  } finally {
    guest.freezing = false
  }
  if (!isRunning()) throw notRunning()
  freezeNow(guest)
  return guest.filesystems * volumes
}

function freezeNow(guest: Guest): void {
  stopWriting(guest)
  guest.frozen = true
  guest.thawedEarly = false
  guest.freezes += 1
  if (guest.thawsAfterMs === null) return
  const { freezes } = guest
  setTimeout(() => {
    if (!guest.frozen || guest.freezes !== freezes) return
    goOnWriting(guest)
    guest.thawedEarly = true
  }, guest.thawsAfterMs).unref()
}

/** `guest-fsfreeze-thaw`. @returns how many filesystems it thawed: 0 when none was frozen @throws GuestError */
export function thawGuest(guest: Guest, volumes: number, isRunning: boolean): number {
  askAgent(guest, isRunning)
  if (guest.thawedEarly) {
    guest.thawedEarly = false
    if (guest.os === 'windows') {
      throw agentFailed('guest-fsfreeze-thaw', "couldn't hold writes: fsfreeze is limited up to 10 seconds: ")
    }
  }
  if (!guest.frozen) return 0
  goOnWriting(guest)
  return guest.filesystems * volumes
}
