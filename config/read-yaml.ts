import { LineCounter, isScalar, parseDocument, visit, type Document, type YAMLError } from 'yaml'
import type { Fault } from './config-error.js'
import { writtenPath } from './written.js'

export interface ReadYaml {
  document: Document
  lines: LineCounter
  data: unknown
  faults: Fault[]
}

/** YAML 1.2 → plain data; what cannot be read is a fault with its line. */
export function readYaml(text: string): ReadYaml {
  const lines = new LineCounter()
  // pretty errors quote the source, where a password may stand
  const document: Document = parseDocument(text, { lineCounter: lines, prettyErrors: false, stringKeys: true })
  const faults = [...document.errors, ...document.warnings].map((error) => toFault(error, document, lines))
  if (faults.some(({ message }) => !message.includes('twice'))) return { document, lines, data: null, faults }
  try {
    return { document, lines, data: document.toJS() ?? {}, faults: [...faults, ...droppedKeys(document, lines)] }
  } catch (error) {
    // the library counts how often aliases are followed, and names an unknown one
    if (!(error instanceof ReferenceError)) throw error
    return { document, lines, data: null, faults: [...faults, { line: null, path: '', message: error.message }] }
  }
}

/** zod leaves `__proto__` out of a map without a word: a policy or a condition of this name would not exist. */
function droppedKeys(document: Document, lines: LineCounter): Fault[] {
  const faults: Fault[] = []
  visit(document, {
    Pair(_index, { key }) {
      if (!isScalar(key) || key.value !== '__proto__') return
      const offset = key.range?.[0] ?? 0
      faults.push({
        line: lines.linePos(offset).line,
        path: pathOfKey(document, offset),
        message: 'is no name that can be used here',
      })
    },
  })
  return faults
}

function toFault(error: YAMLError, document: Document, lines: LineCounter): Fault {
  const { line } = lines.linePos(error.pos[0])
  if (error.code === 'DUPLICATE_KEY') {
    return { line, path: pathOfKey(document, error.pos[0]), message: 'stands twice in the same map' }
  }
  if (error.code === 'TAG_RESOLVE_FAILED') {
    // its value would be taken for a plain text: `!env NAME` for "NAME"
    return { line, path: '', message: 'has a tag (!…) that means nothing here; write the value itself' }
  }
  // some messages end with the source that was not understood
  const [message = ''] = error.message.split(/: |\n/)
  return { line, path: '', message: `is no YAML: ${message}` }
}

function pathOfKey(document: Document, offset: number): string {
  let found: string[] = []
  visit(document, {
    Pair(_index, pair, above) {
      if (!isScalar(pair.key) || pair.key.range?.[0] !== offset) return undefined
      const keys = above.flatMap((one) => ('key' in one && isScalar(one.key) ? [String(one.key.value)] : []))
      found = [...keys, String(pair.key.value)]
      return visit.BREAK
    },
  })
  return writtenPath(found)
}
