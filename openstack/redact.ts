/** Replaces known secrets in texts that come from outside: proxies and services echo what they were sent. */
export interface Redactor {
  /** From now on this text is a secret. At most the 8 newest tokens are remembered. */
  addToken(token: string): void
  redact: (text: string) => string
}

/** @param secrets passwords; shorter ones than 4 characters cannot be told from ordinary text and are left alone */
export function createRedactor(secrets: readonly string[]): Redactor {
  const fixed = secrets.filter((secret) => secret.length >= 4).flatMap(spellings)
  let tokens: string[] = []
  return {
    addToken(token) {
      tokens = [token, ...tokens].slice(0, 8)
    },
    redact(text) {
      return [...tokens, ...fixed].reduce((result, secret) => result.replaceAll(secret, '[secret]'), text)
    },
  }
}

/** As it is, as in JSON, as in an address, as in HTML. Longest first, so that no part of one remains. */
function spellings(secret: string): string[] {
  const html = secret
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll("'", '&#x27;')
  const all = [secret, JSON.stringify(secret).slice(1, -1), encodeURIComponent(secret), html]
  return [...new Set(all)].sort((a, b) => b.length - a.length)
}
