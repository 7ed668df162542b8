import { relative } from 'node:path'
import { BaseSequencer, type TestSpecification } from 'vitest/node'
import { projectRoot } from '../../setup/project.js'

/** The longest files, longest first. What is not named here comes afterwards, in vitest's own order. */
const longest = [
  'test/end-to-end/reconcile.integration.test.ts',
  'test/end-to-end/scale.integration.test.ts',
  'test/end-to-end/room.integration.test.ts',
  'test/end-to-end/killed.integration.test.ts',
  'test/workflows/watch-volume-trouble.integration.test.ts',
  'test/end-to-end/trouble.integration.test.ts',
  'test/end-to-end/brakes.integration.test.ts',
  'test/workflows/watch-volume-hostile.integration.test.ts',
  'test/workflows/permits.integration.test.ts',
  'test/cli/exit-codes.test.ts',
  'test/sandbox/clients.test.ts',
]

/** Begins with what takes longest: of files that run side by side, a long one that begins last is waited for alone. */
export class LongFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const place = ({ moduleId }: TestSpecification): number => {
      const at = longest.indexOf(relative(projectRoot, moduleId))
      return at === -1 ? longest.length : at
    }
    return (await super.sort(files)).sort((a, b) => place(a) - place(b))
  }
}
