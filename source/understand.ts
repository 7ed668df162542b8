import type { z } from 'zod'
import { CodedError } from '../errors/coded-error.js'
import type { Command } from './run-command.js'

/** @throws CodedError `CK-SOURCE-ANSWER` when a command's JSON is not what its known versions write */
export function understand<T>(schema: z.ZodType<T>, json: string, { title }: Command): T {
  try {
    return schema.parse(JSON.parse(json))
  } catch (cause) {
    throw new CodedError('CK-SOURCE-ANSWER', `${title} answered what is not understood: ${json.slice(0, 200)}`, {
      cure: 'Install the version of ceph-common that fits the cluster; if it does, please report this.',
      cause,
    })
  }
}
