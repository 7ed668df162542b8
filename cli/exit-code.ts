/** What scripts may rely on; docs/cli.md. */
export const exitCodes = {
  done: 0,
  failed: 1,
  usage: 2,
  partly: 3,
  unknown: 4,
  refused: 5,
  interrupted: 130,
} as const

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes]

const byCode: Record<string, ExitCode> = {
  'CK-CONFIG': exitCodes.usage,
  'CK-USAGE': exitCodes.usage,
  'CK-CLOUD-CONFIG': exitCodes.usage,
  'CK-RABBIT-URL': exitCodes.usage,
  'CK-RABBIT-FILE': exitCodes.usage,
  'CK-VOLUME-AMBIGUOUS': exitCodes.usage,
  'CK-VOLUME-UNKNOWN': exitCodes.unknown,
  'CK-VOLUME-GONE': exitCodes.unknown,
  'CK-POINT-UNKNOWN': exitCodes.unknown,
  'CK-TARGET-UNKNOWN': exitCodes.unknown,
  'CK-BACKEND-UNKNOWN': exitCodes.unknown,
  'CK-ARCHIVE-UNKNOWN': exitCodes.unknown,
  'CK-CONFIG-EXISTS': exitCodes.refused,
  'CK-COPY-HAS-DEPENDENTS': exitCodes.refused,
  'CK-COPY-REMOVAL-UNSAFE': exitCodes.refused,
  'CK-INTERRUPTED': exitCodes.interrupted,
}

/** An error's code → the process's exit code; whatever is not listed has failed. */
export function exitCodeOf(code: string): ExitCode {
  return byCode[code] ?? exitCodes.failed
}
