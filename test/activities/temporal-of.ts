import type { Deps } from '../../activities/control-activities.js'
import type { Hint, VolumeStatus } from '../../workflows/messages.js'

/** A volume's workflow as visibility and its status query show it. */
export interface FakeEntity {
  columns: { policy?: string; protection?: string; verified?: string; consistency?: string; name?: string }
  /** null: it does not answer. */
  status?: Partial<VolumeStatus> | null
}

/** A Temporal that notes whom it told what, and lists what it is given. */
export function temporalOf(entities: Record<string, FakeEntity>, told: (volumeId: string, hint: Hint) => void) {
  const idle = { archives: [], wants: {}, burst: null, asked: [], rebuilding: [], last: null }
  const workflows = {
    withDeadline: async (_deadline: number, act: () => Promise<unknown>) => act(),
    signalWithStart: async (
      _type: string,
      { workflowId, signalArgs }: { workflowId: string; signalArgs: [Hint[]] },
    ) => {
      for (const hint of signalArgs[0]) told(workflowId.slice('volume/'.length), hint)
    },
    async *list() {
      for (const [id, { columns }] of Object.entries(entities)) {
        const get = ({ name }: { name: string }) => {
          const value = columns[name as keyof typeof columns]
          return name === 'verified' && value !== undefined ? new Date(value) : value
        }
        yield { workflowId: `volume/${id}`, typedSearchAttributes: { get } }
      }
    },
    getHandle: (workflowId: string) => ({
      query: async () => {
        const { status } = entities[workflowId.slice('volume/'.length)] ?? {}
        if (status === null) throw new Error('no worker answers')
        return { ...idle, ...status }
      },
    }),
  }
  return workflows as unknown as Deps['workflows']
}
