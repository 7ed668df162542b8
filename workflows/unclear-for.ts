/**
 * A request whose answer was lost may still be carried out this much later (proxies give up after a minute); what `pace.unclear`
 * is unless configured.
 */
export const unclearFor = '2 minutes'
