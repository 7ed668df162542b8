import { constants } from 'node:fs'
import { access, readdir } from 'node:fs/promises'
import type { FileSourceOptions } from '../../source/options.js'
import { CannotLook, fault, ok, warning, type Check, type Finding } from './check.js'

/** The sources that are directories: whether they are there and can be read. */
export const filesCheck: Check = {
  name: 'files',
  async run({ config }) {
    const sources = config.sources.filter((one): one is FileSourceOptions => one.kind === 'file')
    if (sources.length === 0) throw new CannotLook('no source is of kind file')
    return Promise.all(sources.map(look))
  },
}

async function look({ dir }: FileSourceOptions): Promise<Finding> {
  let names: string[]
  try {
    await access(dir, constants.R_OK | constants.X_OK)
    names = await readdir(dir)
  } catch (error) {
    return fault(
      'CK-SOURCE-FILE',
      `the directory ${dir} cannot be read: ${(error as Error).message}`,
      'Mount it on this mover, or mend sources[].dir and the rights of the user that Cinderkeep runs as.',
    )
  }
  const volume = names.find((name) => name.startsWith('volume-'))
  if (volume === undefined) {
    return warning(
      'CK-SOURCE-FILE',
      `the directory ${dir} holds no volume`,
      'Is it mounted on this mover, and the right one? It is fine when the cloud has no volume yet.',
    )
  }
  try {
    await access(`${dir}/${volume}`, constants.R_OK)
  } catch (error) {
    return fault(
      'CK-SOURCE-FILE',
      `${dir}/${volume} cannot be read: ${(error as Error).message}`,
      'Give the user that Cinderkeep runs as the right to read the volumes (the group of cinder-volume).',
    )
  }
  return ok(`${dir} can be read`)
}
