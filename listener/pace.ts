/** How patient the listener is; milliseconds. */
export interface Pace {
  /** The first pause after a failure (of the broker, of Temporal); doubled from failure to failure. */
  firstRetryMs: number
  maxRetryMs: number
  /** How often the bindings are looked at: an exchange may appear when its publisher first publishes. */
  recheckMs: number
  /**
   * How long messages are held unacknowledged while Temporal is away. The broker closes the channel of a consumer that
   * takes longer than its `consumer_timeout`, 30 minutes by default.
   */
  holdMs: number
}

export const standardPace: Pace = { firstRetryMs: 1000, maxRetryMs: 30_000, recheckMs: 60_000, holdMs: 600_000 }
