import { CodedError } from '../errors/coded-error.js'

/** The object, or null when the cloud says that it does not exist. */
export async function orNull<T>(
  code: 'CK-VOLUME-GONE' | 'CK-SNAPSHOT-GONE' | 'CK-BACKUP-GONE' | 'CK-SERVER-GONE',
  get: () => Promise<T>,
): Promise<T | null> {
  try {
    return await get()
  } catch (error) {
    if (error instanceof CodedError && error.code === code) return null
    throw error
  }
}
