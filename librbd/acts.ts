/** Everything that the process does when it is asked. */
import { diff } from './diff.js'
import * as imageActs from './image-acts.js'
import { flush, moveLeaf } from './leaf-acts.js'
import { closeImage, openImage } from './open-images.js'
import * as poolActs from './pool-acts.js'

export const acts = { ...imageActs, ...poolActs, openImage, closeImage, diff, moveLeaf, flush }

export type Acts = typeof acts
export type ActName = keyof Acts

/** What each act is given, and what it answers. */
interface Shapes {
  given: { [Name in ActName]: Parameters<Acts[Name]>[0] }
  answer: { [Name in ActName]: Awaited<ReturnType<Acts[Name]>> }
}
export type Given<Name extends ActName> = Shapes['given'][Name]
export type Answer<Name extends ActName> = Shapes['answer'][Name]
