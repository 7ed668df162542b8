import { CodedError } from '../errors/coded-error.js'
import { findCommand } from './command.js'
import { installPackage } from './debian.js'

/**
 * The path of a Chromium: `chromium` on `PATH`, else Debian's package installed when root.
 * @throws CodedError `CK-SETUP-CHROMIUM` when no way is open
 */
export async function findChromium(): Promise<string> {
  const found = findCommand('chromium') ?? ((await installPackage('chromium')) ? findCommand('chromium') : null)
  if (found !== null) return found
  const message = 'no Chromium: it is not on PATH, and cannot be installed (Debian and root are needed)'
  throw new CodedError('CK-SETUP-CHROMIUM', message, { cure: 'Install Chromium as `chromium`.' })
}
