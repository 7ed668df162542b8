import type { RequestError } from 'got'
import { CloudError, type CallInfo } from './errors.js'

/**
 * A request without an answer. What may have reached the service and changes something is `CK-CLOUD-ANSWER-LOST`;
 * everything else is `CK-CLOUD-UNAVAILABLE`. got's error is never the cause: it carries the request's headers.
 * @param repeatable the request changes nothing, so that it does not matter whether it arrived
 */
export function errorOfTrouble(
  error: RequestError,
  call: CallInfo,
  repeatable: boolean,
  redact: (text: string) => string,
): CloudError {
  const reason = redact(error.message)
  if (repeatable || !mayHaveArrived(error)) {
    return new CloudError('CK-CLOUD-UNAVAILABLE', `no answer: ${reason}`, {
      ...call,
      ...(isCertificate(error.code) ? { cure: certificateCure } : {}),
    })
  }
  return new CloudError('CK-CLOUD-ANSWER-LOST', `sent, but its answer was lost: ${reason}`, call)
}

const certificateCure = "Set cacert to the file of the authority that signed the cloud's certificate (OS_CACERT)."

function isCertificate(code: string): boolean {
  return /CERT|SIGNATURE|SELF_SIGNED|^ERR_TLS|^ERR_SSL|^EPROTO/.test(code)
}

/** Nothing was sent before the connection (and its TLS) stood; got notes both times. */
function mayHaveArrived(error: RequestError): boolean {
  const phases = error.timings
  if (phases === undefined) return false
  const secure = error.request?.options.url instanceof URL && error.request.options.url.protocol === 'https:'
  return (secure ? phases.secureConnect : phases.connect) !== undefined
}
