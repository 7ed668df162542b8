import type { Asked, Told } from '../child.js'

/**
 * Serves a process of the bench to whoever started it, until told to stop.
 * @param begin makes it ready; what it returns is what can be asked for
 */
export function serve(
  begin: () => Promise<{ acts?: Record<string, (...args: never[]) => Promise<unknown>>; stop: () => Promise<void> }>,
): void {
  // ends with its parent, however that went
  process.on('disconnect', () => process.exit(1))
  const begun = begin()
  process.on('message', ({ id, act, args }: Asked) => {
    answer(begun, act, args).then(
      (result) => {
        reply({ kind: 'answer', id, result })
        if (act === 'stop') process.exit(0)
      },
      (error: unknown) => {
        reply({ kind: 'answer', id, error: error instanceof Error ? String(error.stack) : String(error) })
      },
    )
  })
}

async function answer(begun: ReturnType<Parameters<typeof serve>[0]>, act: string, args: unknown[]): Promise<unknown> {
  const { acts, stop } = await begun
  if (act === 'ready') return null
  if (act === 'cpu') return process.cpuUsage()
  if (act === 'stop') return stop()
  const asked = acts?.[act]
  if (asked === undefined) throw new Error(`nobody serves ${act}`)
  return asked(...(args as never[]))
}

/** Tells whoever started us that something happened to something. */
export function tell(subject: string, what: string): void {
  reply({ kind: 'told', subject, what })
}

function reply(message: Told): void {
  process.send?.(message)
}

/** A variable that the bench always sets. */
export function given(name: string): string {
  const value = process.env[name]
  if (value === undefined) throw new Error(`${name} is not set`)
  return value
}
