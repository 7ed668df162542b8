/** Acts of which some are under way at once. */
export interface Flight {
  /** Begins an act as soon as there is room. @throws what an earlier one threw */
  begin(act: () => Promise<void>): Promise<void>
  /** Waits for all. @throws what the first of them threw, once all have ended */
  land(): Promise<void>
}

/** A few more than the process has memory for, so that it never waits for us. */
const most = 10

export function flight(): Flight {
  let under: Promise<void>[] = []
  return {
    begin: async (act) => {
      if (under.length >= most) await under.shift()
      const begun = act()
      // told by whoever waits for it
      begun.catch(() => undefined)
      under.push(begun)
    },
    land: async () => {
      const all = under
      under = []
      for (const one of await Promise.allSettled(all)) if (one.status === 'rejected') throw one.reason
    },
  }
}
