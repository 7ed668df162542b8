import { describe, expect, it } from 'vitest'
import { parseBrokerUrl } from '../../listener/broker-address.js'
import { requireUrl } from '../../listener/connect.js'
import { completeListenOptions, listenOptions } from '../../listener/options.js'

describe('listenOptions', () => {
  it('needs nothing: Cinder’s exchange, our own queue, bounded', () => {
    expect(listenOptions.parse({})).toEqual({
      queue: 'cinderkeep',
      bind: [{ exchange: 'openstack', topics: ['notifications'] }],
      quorum: 'auto',
      maxBytes: 268_435_456,
      messageTtlSeconds: 604_800,
      prefetch: 128,
      concurrency: 32,
    })
  })

  it('accepts what interface.md shows', () => {
    const shown = {
      url: 'amqps://cinderkeep@mq1,mq2:5671/',
      queue: 'cinderkeep',
      bind: [
        { exchange: 'openstack', topics: ['notifications'] },
        { exchange: 'nova', topics: ['notifications'] },
      ],
    }
    expect(listenOptions.parse(shown)).toMatchObject(shown)
  })

  const refused: [string, unknown, string][] = [
    ['an option that does not exist', { prefech: 5 }, 'prefech'],
    ['a URL of another kind, such as oslo’s transport_url', { url: 'rabbit://u:p@h:5672/' }, 'amqp://'],
    ['no exchange at all', { bind: [] }, 'bind'],
    ['a topic that is a pattern', { bind: [{ exchange: 'nova', topics: ['#'] }] }, 'topics'],
    ['a client certificate without its key', { certFile: '/c.pem' }, 'go together'],
    ['a CA that plain amqp would ignore', { url: 'amqp://h/', caFile: '/ca.pem' }, 'amqps'],
    ['an unbounded queue', { maxBytes: 0 }, 'maxBytes'],
    ['the shared queue that publishers fill and ceilometer reads', { queue: 'notifications.info' }, 'others'],
    ['Nova’s shared queue', { queue: 'versioned_notifications.error' }, 'others'],
    [
      'the shared queue of a topic of the operator’s',
      { queue: 'ck.info', bind: [{ exchange: 'nova', topics: ['ck'] }] },
      'others',
    ],
  ]
  for (const [what, given, told] of refused) {
    it(`refuses ${what}`, () => {
      const result = listenOptions.safeParse(given)
      expect(JSON.stringify(result.error?.issues)).toContain(told)
    })
  }

  it('describes every option', () => {
    for (const option of Object.values(listenOptions.shape)) expect(option.description).toBeTruthy()
  })
})

describe('completeListenOptions', () => {
  const complete = (url: string | undefined, amqpUrl: string | undefined, more = {}): string | undefined =>
    completeListenOptions(listenOptions.parse({ url, ...more }), amqpUrl).url

  it('takes AMQP_URL where the file has no URL', () => {
    expect(complete(undefined, 'amqp://u:p@h/')).toBe('amqp://u:p@h/')
    expect(complete('amqp://u@h/', undefined)).toBe('amqp://u@h/')
    expect(complete('amqp://u@h/', '')).toBe('amqp://u@h/')
  })

  it('takes only the password from AMQP_URL where the file names the broker', () => {
    expect(complete('amqps://ck@mq1,mq2:5671/v', 'amqp://ck:p%40s@other/')).toBe('amqps://ck:p%40s@mq1,mq2:5671/v')
    expect(complete('amqps://mq1/v', 'amqp://ck:p@other/')).toBe('amqps://ck:p@mq1/v')
  })

  it('does not give one user’s password to another, nor override one', () => {
    expect(complete('amqp://ck@h/', 'amqp://guest:guest@h/')).toBe('amqp://ck@h/')
    expect(complete('amqp://ck:own@h/', 'amqp://ck:p@h/')).toBe('amqp://ck:own@h/')
    expect(complete('amqp://ck@h/', 'amqp://ck:p@h/', { passwordFile: '/f' })).toBe('amqp://ck@h/')
  })
})

describe('requireUrl', () => {
  it('refuses a plain AMQP_URL when there are certificates, which would be ignored', () => {
    const options = completeListenOptions(listenOptions.parse({ caFile: '/ca.pem' }), 'amqp://u:sesame@h/')
    expect(() => requireUrl(options)).toThrow(expect.objectContaining({ code: 'CK-RABBIT-URL' }))
    expect(() => requireUrl(options)).not.toThrow(/sesame/)
    expect(requireUrl({ ...options, url: 'amqps://h/' })).toBe('amqps://h/')
  })
})

describe('parseBrokerUrl', () => {
  const shape = (url: string): string[] =>
    parseBrokerUrl(url).map(
      (a) => `${a.protocol} ${String(a.user)}:${String(a.password)} ${a.host} ${a.port} ${a.vhost}`,
    )

  it('reads several hosts; a host without a port takes the next one given', () => {
    expect(shape('amqps://ck@mq1,mq2:5671/')).toEqual(['amqps ck:null mq1 5671 /', 'amqps ck:null mq2 5671 /'])
    expect(shape('amqp://a:1,b,c:3,d')).toEqual([
      'amqp null:null a 1 /',
      'amqp null:null b 3 /',
      'amqp null:null c 3 /',
      'amqp null:null d 5672 /',
    ])
    expect(shape('amqps://[::1],h')).toEqual(['amqps null:null ::1 5671 /', 'amqps null:null h 5671 /'])
  })

  it('decodes user, password and vhost', () => {
    expect(shape('amqp://c%40k:p%2Fs:x%25@h/%2Fcloud')).toEqual(['amqp c@k:p/s:x% h 5672 /cloud'])
    expect(shape('amqp://ck:@h')).toEqual(['amqp ck: h 5672 /'])
  })

  for (const url of [
    'amqp://u:sesame@h:70000/',
    'amqp://u:sesame@/',
    'amqp://u:sesame@a,,b/',
    'amqp://u:ses@me@h/',
    'amqp://u:sesame%@h/',
    'http://u:sesame@h/',
    'amqp://u:sesame@h1:5672,u:sesame@h2:5672/',
  ]) {
    it(`refuses ${url} without quoting it`, () => {
      expect(() => parseBrokerUrl(url)).toThrow(expect.objectContaining({ code: 'CK-RABBIT-URL' }))
      expect(() => parseBrokerUrl(url)).not.toThrow(/sesame|ses@me/)
    })
  }
})
