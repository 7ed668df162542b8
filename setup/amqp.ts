import { connect } from 'amqplib'

/** Whether a broker lets us in there within 5 s. */
export async function answersAmqp(url: string): Promise<boolean> {
  try {
    const connection = await connect(url, { timeout: 5000 })
    await connection.close()
    return true
  } catch {
    return false // not yet, or something else lives there
  }
}
