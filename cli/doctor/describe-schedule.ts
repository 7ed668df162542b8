import { ScheduleNotFoundError, type Client, type ScheduleDescription } from '@temporalio/client'

/** The schedule, or null when there is none. */
export async function describeSchedule(client: Client, id: string): Promise<ScheduleDescription | null> {
  try {
    return await client.schedule.getHandle(id).describe()
  } catch (error) {
    if (error instanceof ScheduleNotFoundError) return null
    throw error
  }
}
