import { CodedError } from '../errors/coded-error.js'

/** One host of a broker's URL. */
export interface BrokerAddress {
  protocol: 'amqp' | 'amqps'
  host: string
  port: number
  /** null where the URL names no user. */
  user: string | null
  /** null where the URL names no password. */
  password: string | null
  /** Decoded; `/` where the URL names none. */
  vhost: string
}

/**
 * `amqps://user:password@mq1,mq2:5671/vhost`, all parts percent-encoded where needed. A host without a port takes the
 * next one that is given after it, else the protocol's own (5672, 5671).
 * @throws CodedError `CK-RABBIT-URL`, without the URL in it
 */
export function parseBrokerUrl(url: string): BrokerAddress[] {
  const match = /^(amqps?):\/\/(?:([^/]*)@)?([^@/?]*)(?:\/([^/?]*))?(?:\?.*)?$/s.exec(url)
  if (!match) throw wrong('is not of the form amqp://USER@HOST[,HOST…][:PORT]/[VHOST]')
  const [, scheme, userInfo, hosts = '', vhost] = match
  if (userInfo?.includes('@'))
    throw wrong('has more than one @: one user for all hosts, and %40 for an @ in a password')
  const protocol = scheme === 'amqps' ? 'amqps' : 'amqp'
  const [user, password] = userInfo?.split(/:(.*)/s) ?? []
  const addresses: BrokerAddress[] = []
  let nextPort = protocol === 'amqps' ? 5671 : 5672
  for (const part of hosts.split(',').reverse()) {
    const [, bracketed, plain, port] = /^(?:\[([\da-f:.]+)\]|([^[\]:]+))(?::(\d{1,5}))?$/i.exec(part.trim()) ?? []
    const host = bracketed ?? plain
    if (host === undefined) throw wrong('has an empty host, or one with a wrong port')
    if (port !== undefined) nextPort = Number(port)
    if (nextPort < 1 || nextPort > 65_535) throw wrong('has a port that is not within 1–65535')
    addresses.unshift({
      protocol,
      host,
      port: nextPort,
      user: user === undefined || user === '' ? null : decode(user),
      password: password === undefined ? null : decode(password),
      vhost: vhost === undefined || vhost === '' ? '/' : decode(vhost),
    })
  }
  return addresses
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch (error) {
    if (error instanceof URIError) throw wrong('has a % that begins no %XX')
    throw error
  }
}

/** The URL may hold a password: it is never quoted. */
function wrong(why: string): CodedError {
  return new CodedError('CK-RABBIT-URL', `the broker’s URL ${why}`, {
    cure: 'Correct listen.url or AMQP_URL; percent-encode special characters in user, password and vhost.',
  })
}
