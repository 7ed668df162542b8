import type { NovaDeps } from '../../activities/nova-leftovers.js'

type Around = (name: string, call: () => unknown) => unknown

/** The same clients, with something round each of their calls. */
function around(deps: NovaDeps, hook: Around): NovaDeps {
  const wrap = <T extends object>(room: string, client: T): T =>
    new Proxy(client, {
      get(target, key, receiver) {
        const value: unknown = Reflect.get(target, key, receiver)
        if (typeof value !== 'function') return value
        return (...given: unknown[]) =>
          hook(`${room}.${String(key)}`, () => (value as (...args: unknown[]) => unknown)(...given))
      },
    })
  return {
    ...deps,
    ...{ cinder: wrap('cinder', deps.cinder), nova: wrap('nova', deps.nova), glance: wrap('glance', deps.glance) },
  }
}

/** The process dies at one of the calls: nothing of it is done, or all of it and nobody learns of it; nor of any other. */
export function killedAt(deps: NovaDeps, at: number, moment: 'before' | 'after'): NovaDeps {
  let made = 0
  return around(deps, (name, call) => {
    const now = made++
    if (now < at) return call()
    const die = (): never => {
      throw new Error(`killed ${moment} call ${at}, ${name}`)
    }
    if (now > at || moment === 'before') return die()
    const answer = call()
    // a list is asked for by reading it
    return answer instanceof Promise ? answer.then(die, die) : die()
  })
}
