import { z } from 'zod'
import { valueAt } from './value-at.js'
import type { Path } from './written.js'

/** The part of JSON Schema that zod writes for our options. */
interface Json {
  properties?: Record<string, Json>
  additionalProperties?: Json | boolean
  items?: Json
  anyOf?: Json[]
  oneOf?: Json[]
  const?: unknown
  not?: unknown
}

/** The names of the options that a map at this path may have; where several kinds are possible, of the kind written there. */
export function optionsAt(schema: z.ZodType, path: Path, data: unknown): string[] {
  let here: Json[] = [z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as Json]
  path.forEach((step, index) => {
    here = here.flatMap((one) => variants(one, valueAt(data, path.slice(0, index)))).flatMap((one) => below(one, step))
  })
  const value = valueAt(data, path)
  const maps = here.flatMap((one) => variants(one, value))
  // options that do not exist yet are no suggestion
  const known = maps.flatMap(({ properties = {} }) =>
    Object.entries(properties).filter(([, one]) => one.not === undefined),
  )
  return [...new Set(known.map(([name]) => name))]
}

function variants(one: Json, value: unknown): Json[] {
  const inner = one.anyOf ?? one.oneOf
  if (inner === undefined) return [one]
  return inner.filter((variant) => {
    const wanted = variant.properties?.['kind']?.const
    return wanted === undefined || wanted === valueAt(value, ['kind'])
  })
}

function below({ properties, additionalProperties, items }: Json, step: string | number): Json[] {
  const next = typeof step === 'number' ? items : (properties?.[step] ?? additionalProperties)
  return typeof next === 'object' ? [next] : []
}
