/** Where acts of the process happen; what its messages are made of. */

/** A pool, and the user by whom it is reached. */
export interface Place {
  conf: string
  user: string
  keyring: string | null
  pool: string
}

/** An image by its name, opened for the one act; or one that is open, by what `openImage` gave. */
export type ImageAt = { place: Place; image: string } | { open: number }
