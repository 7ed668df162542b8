import { jsonSchema } from './json-schema.js'

/** The part of JSON Schema that zod writes for our options. */
interface Json {
  type?: string | string[]
  description?: string
  default?: unknown
  properties?: Record<string, Json>
  additionalProperties?: Json | boolean
  items?: Json
  anyOf?: Json[]
  oneOf?: Json[]
  enum?: unknown[]
  const?: unknown
  not?: unknown
  required?: string[]
}

/** docs/options.md: every option with its type, default and meaning, from the schemas' own words. */
export function optionsDoc(): string {
  const rows: string[] = []
  walk('', jsonSchema(), rows)
  return [
    '# Options of cinderkeep.yaml',
    '',
    'Written by `config/options-doc.ts` from the schemas; a test compares the two. `<name>` is a name of yours, `[]` each entry of a',
    'list. An option without a default that is not required may be left out. How the file is found, and what the environment adds: docs/configuration.md.',
    '',
    '| option | type | default | meaning |',
    '|---|---|---|---|',
    ...rows,
    '',
  ].join('\n')
}

function walk(path: string, schema: Json, rows: string[]): void {
  for (const [name, option] of Object.entries(schema.properties ?? {})) {
    const at = path === '' ? name : `${path}.${name}`
    if (name !== 'kind' || option.const === undefined)
      rows.push(row(at, option, schema.required?.includes(name) === true))
    inside(at, option, rows)
  }
}

function inside(at: string, option: Json, rows: string[]): void {
  walk(at, option, rows)
  if (typeof option.additionalProperties === 'object') {
    const one = option.additionalProperties
    if (isMap(one)) inside(`${at}.<name>`, one, rows)
  }
  if (option.items !== undefined && isMap(option.items)) inside(`${at}[]`, option.items, rows)
  for (const variant of option.anyOf ?? option.oneOf ?? []) {
    const kind = variant.properties?.['kind']?.const
    if (typeof kind !== 'string') continue
    const label = `${at} (${kind})`
    if (variant.description !== undefined) rows.push(`| \`${label}\` | kind | | ${cell(variant.description)} |`)
    walk(label, variant, rows)
  }
}

function isMap(one: Json): boolean {
  return one.properties !== undefined || one.anyOf !== undefined || one.oneOf !== undefined
}

function row(at: string, option: Json, required: boolean): string {
  const plain =
    option.default === undefined ? (required ? '**required**' : '') : `\`${JSON.stringify(option.default)}\``
  return `| \`${at}\` | ${cell(typeOf(option))} | ${cell(plain)} | ${cell(option.description ?? '')} |`
}

function typeOf(option: Json): string {
  if (option.not !== undefined) return 'refused'
  if (option.const !== undefined) return JSON.stringify(option.const)
  if (option.enum !== undefined) return option.enum.map(String).join(', ')
  const variants = option.anyOf ?? option.oneOf
  if (variants !== undefined) return [...new Set(variants.map(typeOf))].join(' or ')
  if (option.items !== undefined) return `list of ${typeOf(option.items)}`
  const [type] = [option.type].flat()
  const words: Record<string, string> = { string: 'text', integer: 'whole number', object: 'map', array: 'list' }
  return Array.isArray(option.type)
    ? option.type.map((one) => words[one] ?? one).join(' or ')
    : (words[type ?? ''] ?? type ?? '')
}

/** A pipe would end the cell. */
function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('\n', ' ')
}
