/** What a workflow costs that does nothing but its acts: the counterparts of ours. */
import {
  condition,
  continueAsNew,
  defineSignal,
  ParentClosePolicy,
  proxyActivities,
  setHandler,
  startChild,
  workflowInfo,
} from '@temporalio/workflow'

/** The bare worker's queue. */
export const bareQueue = 'bare'

const { touch } = proxyActivities<{ touch(subject: string): Promise<void> }>({ startToCloseTimeout: '1 minute' })

/** One more child of this name. */
export const pokeSignal = defineSignal<[string]>('poke')

/** Starts one ABANDON child for each poke. */
export async function bareEntity(): Promise<void> {
  const pokes: string[] = []
  setHandler(pokeSignal, (name) => {
    pokes.push(name)
  })
  for (;;) {
    await condition(() => pokes.length > 0)
    const name = pokes.shift() ?? ''
    await startChild(bareActs, {
      workflowId: name,
      args: [name, 1],
      parentClosePolicy: ParentClosePolicy.ABANDON,
    })
    if (workflowInfo().historyLength > 200 && pokes.length === 0) await continueAsNew<typeof bareEntity>()
  }
}

/** So many acts, one after the other. */
export async function bareActs(subject: string, acts: number): Promise<void> {
  for (let act = 0; act < acts; act += 1) await touch(subject)
}

/** Holds what it was started with, and takes signals. */
export async function bareHolder(held: unknown): Promise<unknown> {
  let signals = 0
  setHandler(pokeSignal, () => {
    signals += 1
  })
  await condition(() => signals < 0)
  return held
}
