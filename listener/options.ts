import { z } from 'zod'

/** The name of a queue, an exchange or a topic: AMQP allows 255 bytes; five are ours for `.dead`. */
const name = z.string().regex(/^[^\s*#]{1,250}$/, 'a name of at most 250 characters without spaces, * or #')

const binding = z.strictObject({
  exchange: name.describe('The publisher’s `control_exchange`: `openstack` for Cinder, `nova` for Nova by default.'),
  topics: z
    .array(name)
    .min(1)
    .default(['notifications'])
    .describe(
      '`[oslo_messaging_notifications] topics` of the publisher; Nova’s other ones: `versioned_notifications`.',
    ),
})

/** `listen:` of cinderkeep.yaml: which broker, which exchanges, and our own queue. */
export const listenOptions = z
  .strictObject({
    url: z
      .string()
      .regex(/^amqps?:\/\//, 'amqp://USER@HOST[,HOST…][:PORT]/[VHOST], or amqps://')
      .optional()
      .describe(
        'The broker. Several hosts are tried in turn; a host without a port takes the next one given after it. ' +
          'Without it AMQP_URL. Keep the password out of the file: `passwordFile`, or AMQP_URL.',
      ),
    passwordFile: z.string().min(1).optional().describe('A file that holds the password alone; read at each connect.'),
    queue: name
      .default('cinderkeep')
      .describe('Our own queue, ours alone; made when it does not exist, used as it is when it does.'),
    bind: z
      .array(binding)
      .min(1)
      .default([{ exchange: 'openstack', topics: ['notifications'] }])
      .describe('Where notifications are published. `<topic>.info` of each is bound to our queue.'),
    caFile: z.string().min(1).optional().describe('PEM of the CA that signed the broker’s certificate (amqps).'),
    certFile: z.string().min(1).optional().describe('PEM of our client certificate, with `keyFile` (amqps).'),
    keyFile: z.string().min(1).optional().describe('PEM of the client certificate’s key (amqps).'),
    quorum: z
      .enum(['auto', 'never'])
      .default('auto')
      .describe('`auto`: a quorum queue on RabbitMQ 3.10 or later, else a classic durable one.'),
    maxBytes: z
      .int()
      .min(1_048_576)
      .default(268_435_456)
      .describe(
        'Bytes of messages that our queue keeps; the oldest are dropped beyond. An unbounded queue that nobody ' +
          'reads would fill the broker and block Nova and Cinder themselves.',
      ),
    messageTtlSeconds: z
      .int()
      .min(60)
      .max(4_000_000)
      .default(604_800)
      .describe('Seconds that a message waits in our queue before the broker drops it.'),
    prefetch: z.int().min(1).max(2000).default(128).describe('Messages that we hold unacknowledged at most.'),
    concurrency: z.int().min(1).max(500).default(32).describe('Signals to Temporal in flight at most.'),
  })
  .superRefine((options, context) => {
    if ((options.certFile === undefined) !== (options.keyFile === undefined)) {
      context.addIssue({ code: 'custom', path: ['certFile'], message: 'certFile and keyFile go together' })
    }
    for (const name of ['caFile', 'certFile'] as const) {
      if (options[name] === undefined || options.url?.startsWith('amqp:') !== true) continue
      const message = 'is used with amqps:// only, and listen.url is amqp://: nothing would be encrypted'
      context.addIssue({ code: 'custom', path: [name], message })
    }
    if (isShared(options.queue, options.bind)) {
      const message = `"${options.queue}" is a queue of the cloud’s own: whoever reads it takes messages from others`
      context.addIssue({ code: 'custom', path: ['queue'], message })
    }
  })

/** `listen:` with its defaults filled in. */
export type ListenOptions = z.infer<typeof listenOptions>

/** Publishers make a queue `<topic>.<priority>` of their own, which ceilometer and others consume. */
function isShared(queue: string, bind: { topics: string[] }[]): boolean {
  const topics = new Set(['notifications', 'versioned_notifications', ...bind.flatMap(({ topics }) => topics)])
  const [, topic] = /^(.+)\.(?:audit|critical|debug|error|info|sample|warn|warning)$/.exec(queue) ?? []
  return queue.startsWith('amq.') || topics.has(queue) || (topic !== undefined && topics.has(topic))
}

/**
 * The broker's URL from file and environment: the file's wins; a password that it lacks is taken from AMQP_URL when
 * both name the same user, so that the file can stay free of secrets.
 * @param amqpUrl the environment's AMQP_URL
 */
export function completeListenOptions(options: ListenOptions, amqpUrl: string | undefined): ListenOptions {
  if (amqpUrl === undefined || amqpUrl === '') return options
  if (options.url === undefined) return { ...options, url: amqpUrl }
  const ours = userInfo(options.url)
  const theirs = userInfo(amqpUrl)
  if (options.passwordFile !== undefined || ours.password !== undefined || theirs.password === undefined) return options
  if (ours.user !== undefined && ours.user !== theirs.user) return options
  const credentials = `${theirs.user ?? ''}:${theirs.password}@`
  const [scheme, rest] = [options.url.split('//', 1)[0] ?? '', options.url.replace(/^amqps?:\/\/(?:[^@/]*@)?/, '')]
  return { ...options, url: `${scheme}//${credentials}${rest}` }
}

function userInfo(url: string): { user: string | undefined; password: string | undefined } {
  const [, info] = /^amqps?:\/\/([^@/]*)@/.exec(url) ?? []
  const [user, password] = info?.split(/:(.*)/s) ?? []
  return { user, password }
}
