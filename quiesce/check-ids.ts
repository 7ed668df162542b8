import { quiesceError } from './quiesce-error.js'

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

/** Both become names of files and a program's argument. @throws CodedError `CK-QUIESCE-REQUEST` */
export function checkIds({ serverId, token }: { serverId: string; token: string }): { server: string; token: string } {
  const faulty = [serverId, token].some((id) => typeof id !== 'string' || !uuid.test(id))
  if (faulty) throw quiesceError('CK-QUIESCE-REQUEST', 'server and token must be UUIDs in lower case')
  return { server: serverId, token }
}
