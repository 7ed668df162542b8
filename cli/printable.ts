/**
 * Names are their tenants': one with an escape sequence or a line of its own must not reach an operator's terminal as
 * such. Every control character but those of `kept` becomes U+FFFD.
 */
export function printable(text: string, kept = ''): string {
  return text.replace(/\p{Cc}/gu, (sign) => (kept.includes(sign) ? sign : '\ufffd'))
}
