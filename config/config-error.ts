import { CodedError } from '../errors/coded-error.js'

/** One thing that is wrong in cinderkeep.yaml. */
export interface Fault {
  /** Counted from 1; null for a fault of the file as a whole. */
  line: number | null
  /** As written in the file: `policies.databases.copies[1].target`; empty for the file as a whole. */
  path: string
  /** The value, what was expected, the nearest right word; no secrets. */
  message: string
}

/** The configuration is missing or wrong; nothing was started. Code `CK-CONFIG`, exit code 2. */
export class ConfigError extends CodedError {
  override readonly name = 'ConfigError'
  readonly file: string
  readonly faults: Fault[]

  constructor(file: string, faults: Fault[], cure?: string) {
    const count = faults.length === 1 ? '1 fault' : `${faults.length} faults`
    super(
      'CK-CONFIG',
      [`${count} in ${file}, nothing was started`, ...faults.map((one) => faultLine(file, one))].join('\n'),
      {
        ...(cure !== undefined && { cure }),
      },
    )
    this.file = file
    this.faults = faults
  }
}

/** `cinderkeep.yaml:19  policies.databases.copies[1].target: "valut" is no target; …` */
export function faultLine(file: string, { line, path, message }: Fault): string {
  const place = line === null ? file : `${file}:${line}`
  return path === '' ? `${place}  ${message}` : `${place}  ${path}: ${message}`
}
