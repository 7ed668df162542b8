import { printable } from './printable.js'

/** Rows in aligned columns, two spaces apart; headings in capitals. Numbers are texts that were right-aligned by `right`. */
export function table(headings: string[], rows: string[][], right: readonly number[] = []): string {
  const all = [headings.map((heading) => heading.toUpperCase()), ...rows].map((row) =>
    row.map((cell) => printable(cell)),
  )
  const widths = headings.map((_, column) => Math.max(...all.map((row) => width(row[column] ?? ''))))
  return all
    .map((row) =>
      headings
        .map((_, column) => {
          const text = row[column] ?? ''
          const space = ' '.repeat((widths[column] ?? 0) - width(text))
          return right.includes(column) ? space + text : text + space
        })
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

function width(text: string): number {
  return Array.from(text).length
}
