/** What the listener has done since it started, and what it is doing. */
export interface ListenerStats {
  /**
   * `connecting` to the broker; `consuming`; `waiting` for Temporal to accept signals again, taking nothing; `stopped`.
   */
  state: 'connecting' | 'consuming' | 'waiting' | 'stopped'
  /** The broker's host that we are connected to, else null. */
  host: string | null
  /** Configured exchanges that our queue is not bound to just now. */
  unbound: string[]
  /** Messages taken off the queue; a redelivery counts again. */
  seen: number
  /** Of these: nobody wanted them. */
  ignored: number
  /** Hints made of the others; one message may concern several volumes. */
  hinted: number
  /** Signals that Temporal accepted; a burst for one volume is one. */
  signalled: number
  /** Messages that could not be decoded and lie in the dead-letter queue. */
  dead: number
}

export const freshStats = (): ListenerStats => ({
  state: 'connecting',
  host: null,
  unbound: [],
  seen: 0,
  ignored: 0,
  hinted: 0,
  signalled: 0,
  dead: 0,
})
