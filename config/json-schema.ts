import { z } from 'zod'
import { configOptions } from './schema.js'

/** JSON Schema of cinderkeep.yaml as it is written (before defaults), for editors. */
export function jsonSchema(): object {
  return { ...z.toJSONSchema(configOptions, { io: 'input', unrepresentable: 'any' }), title: 'cinderkeep.yaml' }
}
