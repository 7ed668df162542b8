import { isAlias, isMap, isScalar, isSeq, type Document, type LineCounter, type Node } from 'yaml'

export type Path = readonly (string | number)[]

/** `policies.databases.copies[1].target`: how an operator finds the place in the file. */
export function writtenPath(path: Path): string {
  return path.reduce<string>((before, step) => {
    if (typeof step === 'number') return `${before}[${step}]`
    if (!/^[A-Za-z_][\w-]*$/.test(step)) return `${before}["${step}"]`
    return before === '' ? step : `${before}.${step}`
  }, '')
}

/** The line of a key or list entry; of the deepest one that exists when the path leads to something missing. */
export function lineOf(document: Document, lines: LineCounter, path: Path): number | null {
  let node: unknown = document.contents
  let offset = startOf(node)
  for (const step of path) {
    if (isAlias(node)) node = node.resolve(document)
    if (isMap(node)) {
      const pair = node.items.find(({ key }) => String(isScalar(key) ? key.value : key) === String(step))
      if (pair === undefined) break
      offset = startOf(pair.key) ?? offset
      node = pair.value
    } else if (isSeq(node)) {
      node = node.items[Number(step)]
      if (node === undefined) break
      offset = startOf(node) ?? offset
    } else {
      break
    }
  }
  return offset === undefined ? null : lines.linePos(offset).line
}

function startOf(node: unknown): number | undefined {
  return (node as Node | null | undefined)?.range?.[0]
}

const secretName = /pass(word|phrase|wd)?|secret|token|credential|api_?key|mac_?key|private/i

/** A value for a message: texts in quotes, no content of maps and lists, no secrets. */
export function writtenValue(path: Path, value: unknown): string {
  if (Array.isArray(value)) return 'a list'
  if (typeof value === 'object' && value !== null) return 'a map'
  if (path.some((step) => typeof step === 'string' && secretName.test(step) && !/file$/i.test(step))) return '[secret]'
  // before it is cut, or a long password would lose the @ that it is known by
  const text = JSON.stringify(typeof value === 'string' ? withoutPassword(value) : value)
  return text.length > 120 ? `${text.slice(0, 117)}…"` : text
}

/** Of a value that may be meant for a URL, however it is misspelt: `amqp:/user:***@host`, `user:***@host`. */
function withoutPassword(value: string): string {
  return value.replace(/^([a-z+]*:?\/*[^\s:/@]*):(?!\/\/).*@/is, '$1:***@')
}

/** Takes passwords out of the URLs in a text: `amqp://user:***@host`. */
export function withoutUserInfo(text: string): string {
  return text.replace(/(:\/\/[^\s/:@"]*):[^\s"]*@/g, '$1:***@')
}
