import { readFileSync, readdirSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'
import { describe, expect, it } from 'vitest'

const root = fileURLToPath(new URL('..', import.meta.url))

/** What each room may import beside itself, `errors` and `log`; `room/file` is that file alone (design, section 4). */
const table: Record<string, string[]> = {
  errors: [],
  log: [],
  vault: [],
  openstack: [],
  source: [],
  // what is said of a failure, and how a leaf is hashed
  librbd: ['source'],
  policy: [],
  // what an agent is asked, and how durations are written
  quiesce: ['workflows/quiesce-messages', 'policy/options'],
  targets: ['vault', 'source', 'librbd', 'openstack'],
  activities: [
    ...['targets', 'source', 'openstack', 'policy', 'workflows/messages', 'workflows/permit-messages'],
    ...['workflows/server-messages', 'workflows/report-messages', 'workflows/freeze-messages'],
  ],
  workflows: [],
  listener: ['workflows/messages', 'workflows/server-messages', 'policy', 'config', 'openstack'],
  web: ['workflows/messages', 'policy', 'config', 'openstack'],
  cli: [
    'workflows/messages',
    'workflows/permit-messages',
    'workflows/report-messages',
    'policy',
    'config',
    'openstack',
    'source',
    'targets',
    'vault',
    // doctor asks Temporal for the columns, and the broker as the listener does (docs/decisions/0011)
    'workflows/search-attributes',
    'listener/connect',
    'listener/own-channel',
    'listener/binding-errors',
    'listener/dead-queue-name',
    // who would freeze a server is told by what decides it
    'workflows/quiesce-messages',
    'activities/nova-way',
  ],
  // and every room's options
  config: [
    'listener/options',
    'openstack/options',
    'policy/options',
    'quiesce/options',
    'source/options',
    'targets/options',
  ],
}
/** The worker wires; these may import anything, and nobody imports them. */
const wiring = ['worker']
/** Schedules, the policy document that lies in one of them, and who serves a queue. */
const publishing = ['worker/applied-policies', 'worker/schedules', 'worker/pollers-of', 'worker/agent-serves']
const outside = ['sandbox', 'lab', 'bench', 'test', 'setup', 'demo']
const rooms = [...Object.keys(table), ...wiring]

interface Import {
  from: string
  to: string
  typeOnly: boolean
}

const files = [...rooms, ...outside].flatMap((room) => sourcesBelow(join(root, room)))
const imports = files.flatMap(importsOf)

function sourcesBelow(directory: string): string[] {
  let entries
  try {
    entries = readdirSync(directory, { withFileTypes: true })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
  return entries.flatMap((entry) => {
    const path = join(directory, entry.name)
    if (entry.isDirectory()) return entry.name === 'node_modules' ? [] : sourcesBelow(path)
    return /\.(ts|mjs)$/.test(entry.name) ? [relative(root, path)] : []
  })
}

function text(file: string): string {
  return readFileSync(join(root, file), 'utf8')
}

/** Every import, export-from and `import()` of a file; those of our own files as paths without an ending. */
function importsOf(file: string): Import[] {
  const source = ts.createSourceFile(file, text(file), ts.ScriptTarget.ESNext, true)
  const found: Import[] = []
  const add = (specifier: ts.Node | undefined, typeOnly: boolean) => {
    if (specifier === undefined || !ts.isStringLiteralLike(specifier)) return
    const own = specifier.text.startsWith('.')
    const path = own ? relative(root, resolve(root, dirname(file), specifier.text)) : specifier.text
    found.push({ from: file, to: own ? path.replace(/\.(js|ts|mjs)$/, '') : path, typeOnly })
  }
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node)) add(node.moduleSpecifier, onlyTypes(node))
    else if (ts.isExportDeclaration(node)) add(node.moduleSpecifier, node.isTypeOnly)
    else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword)
      add(node.arguments[0], false)
    else if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) add(node.argument.literal, true)
    ts.forEachChild(node, visit)
  }
  visit(source)
  return found
}

function onlyTypes({ importClause }: ts.ImportDeclaration): boolean {
  if (importClause === undefined) return false
  if (importClause.phaseModifier === ts.SyntaxKind.TypeKeyword) return true
  const named = importClause.namedBindings
  return (
    importClause.name === undefined &&
    named !== undefined &&
    ts.isNamedImports(named) &&
    named.elements.length > 0 &&
    named.elements.every((one) => one.isTypeOnly)
  )
}

function roomOf(path: string): string {
  return path.split('/')[0] ?? ''
}

function isOurs(path: string): boolean {
  return [...rooms, ...outside].includes(roomOf(path))
}

function mayImport({ from, to, typeOnly }: Import): boolean {
  const [room, other] = [roomOf(from), roomOf(to)]
  if (room === other || outside.includes(room)) return true
  if (outside.includes(other)) return false
  if (wiring.includes(room) || ['errors', 'log'].includes(other)) return true
  // what is erased decides nothing at run time: plain data may be named where it is used
  if (typeOnly && ['policy', 'workflows', 'config', 'targets', 'activities'].includes(room)) return true
  if (from === 'cli/run.ts' && other === 'worker') return true
  // commands read and change what Temporal holds as the workers do; these need the SDK's client alone
  if (room === 'cli' && publishing.includes(to)) return true
  return (table[room] ?? []).some((allowed) => allowed === other || allowed === to)
}

describe('the rooms', () => {
  it('import only what the table of the design allows', () => {
    expect(imports.length).toBeGreaterThan(200)
    const forbidden = imports.filter((one) => isOurs(one.to) && !mayImport(one))
    expect(forbidden.map(({ from, to }) => `${from} imports ${to}`)).toEqual([])
  })

  it('are told apart by this test: it refuses what the table does not allow', () => {
    const cases: [string, string, boolean, boolean][] = [
      ['policy/select.ts', 'targets/target', true, true],
      ['policy/select.ts', 'targets/open-targets', false, false],
      ['workflows/watch-volume.ts', 'activities/assess', true, true],
      ['workflows/watch-volume.ts', 'activities/assess', false, false],
      ['cli/run.ts', 'worker/run-role', false, true],
      ['cli/archive.ts', 'worker/run-role', false, false],
      ['cli/policy-apply.ts', 'worker/schedules', false, true],
      ['listener/deliver.ts', 'workflows/watch-volume', false, false],
      ['config/schema.ts', 'listener/options', false, true],
      ['config/schema.ts', 'listener/consume', false, false],
      ['worker/run-role.ts', 'sandbox/main', false, false],
      ['source/rbd.ts', 'openstack/cinder', true, false],
    ]
    for (const [from, to, typeOnly, allowed] of cases)
      expect([from, to, mayImport({ from, to, typeOnly })]).toEqual([from, to, allowed])
  })

  it('name everything that lies beside them: a new room gets a row', () => {
    const known = [...rooms, ...outside, 'docs', 'deploy', 'changes', 'temporal-cli', 'dist', 'node_modules']
    const beside = readdirSync(root, { withFileTypes: true }).filter(
      (one) => one.isDirectory() && !one.name.startsWith('.'),
    )
    expect(beside.map(({ name }) => name).filter((name) => !known.includes(name))).toEqual([])
  })
})

describe('the files', () => {
  const ours = files.filter((file) => rooms.includes(roomOf(file)))

  it('read process.env in config/environment.ts alone', () => {
    const readers = ours.filter((file) => /process\s*\.\s*env\b|process\[.env.\]/.test(withoutComments(file)))
    expect(readers).toEqual(['config/environment.ts'])
  })

  it('of policy know no clock and no chance: whoever asks brings the time', () => {
    const clocks = /Date\.now|new Date\(\)|performance\.now|Math\.random|randomUUID|setTimeout|from 'node:(fs|net|http)/
    expect(ours.filter((file) => roomOf(file) === 'policy' && clocks.test(withoutComments(file)))).toEqual([])
  })

  it('of workflows import only workflows, the SDK and types', () => {
    const allowed = (one: Import) => roomOf(one.to) === 'workflows' || /^@temporalio\/(workflow|common)$/.test(one.to)
    const values = imports.filter((one) => roomOf(one.from) === 'workflows' && !one.typeOnly && !allowed(one))
    expect(values.map(({ from, to }) => `${from} imports ${to}`)).toEqual([])
  })

  it('of workflows keep nothing that changes outside of their functions: all workflows of a worker share the modules', () => {
    expect(keepersIn("let last = ''")).toEqual(['last'])
    expect(keepersIn('const seen = new Map<string, number>()\nconst pause = { minutes: 1 }')).toEqual(['seen'])
    const workflows = ours.filter((file) => roomOf(file) === 'workflows')
    expect(workflows.flatMap((file) => keepersIn(text(file)).map((name) => `${file} keeps ${name}`))).toEqual([])
  })

  it('are at most 350 lines long', () => {
    const long = files.filter((file) => text(file).split('\n').length - 1 > 350)
    expect(long).toEqual([])
  })

  it('and docs/errors.md name the same codes', () => {
    const code = /\bCK-[A-Z][A-Z0-9-]*[A-Z0-9](?![A-Z0-9-])/g
    const told = files.filter((file) => rooms.includes(roomOf(file)) || roomOf(file) === 'setup')
    const used = new Set(told.flatMap((file) => withoutComments(file).match(code) ?? []))
    const listed = new Set(
      [...text('docs/errors.md').matchAll(/^\| `?(CK-[A-Z0-9-]+)`? \|/gm)].map(([, one]) => one ?? ''),
    )
    expect({ undocumented: [...used].filter((one) => !listed.has(one)).sort() }).toEqual({ undocumented: [] })
    expect({ unused: [...listed].filter((one) => !used.has(one)).sort() }).toEqual({ unused: [] })
  })
})

function withoutComments(file: string): string {
  return text(file)
    .replace(/\/\*[\s\S]*?\*\//g, '')
    .replace(/^\s*\/\/.*$/gm, '')
}

/** Names at a module's top that can hold another value later: variables, and what is made with `new`. */
function keepersIn(code: string): string[] {
  const { statements } = ts.createSourceFile('module.ts', code, ts.ScriptTarget.ESNext, true)
  return statements.filter(ts.isVariableStatement).flatMap(({ declarationList: { flags, declarations } }) => {
    const isConst = (flags & ts.NodeFlags.Const) !== 0
    const keeping = declarations.filter(
      ({ initializer }) => !isConst || (initializer && ts.isNewExpression(initializer)),
    )
    return keeping.map(({ name }) => name.getText())
  })
}
