import { CodedError } from '../errors/coded-error.js'

/** A configured exchange that nobody has declared (yet). */
export function exchangeMissing(exchange: string, host: string, cause: unknown): CodedError {
  const [publisher, file] = exchange === 'nova' ? ['Nova', 'nova.conf'] : ['Cinder', 'cinder.conf']
  const who = exchange === 'nova' || exchange === 'openstack' ? publisher : 'Its publisher'
  const where = exchange === 'nova' || exchange === 'openstack' ? file : 'its configuration'
  return new CodedError('CK-RABBIT-EXCHANGE', `exchange "${exchange}" does not exist on ${host}`, {
    cure:
      `${who} has not published yet, or publishes on another exchange.\n` +
      `See [oslo_messaging_notifications] and control_exchange in ${where}, or remove it from listen.bind.`,
    cause,
  })
}

/** The broker lets us see the exchange and our queue, but not tie one to the other. */
export function bindingForbidden(exchange: string, queue: string, host: string, cause: unknown): CodedError {
  const what = `queue "${queue}" may not be bound to exchange "${exchange}" on ${host}`
  return new CodedError('CK-RABBIT-FORBIDDEN', what, {
    cure: `Give our user read on exchange "${exchange}" and write on queue "${queue}" (rabbitmqctl set_permissions).`,
    cause,
  })
}
