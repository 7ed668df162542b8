import js from '@eslint/js'
import tseslint from 'typescript-eslint'

export default tseslint.config(
  { ignores: ['dist', 'node_modules', '.cache', '.lab', '.demo', '.sandbox'] },
  js.configs.recommended,
  ...tseslint.configs.strictTypeChecked,
  {
    languageOptions: { parserOptions: { projectService: { allowDefaultProject: ['*.js'] } } },
    rules: {
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      // template literals with numbers are how messages are written; everything else must be a string on purpose
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      // an interface's async function that has nothing to await is still async by contract
      '@typescript-eslint/require-await': 'off',
    },
  },
  {
    // workflow code runs in Temporal's deterministic sandbox
    files: ['workflows/**/*.ts'],
    rules: {
      'no-restricted-imports': [
        'error',
        {
          paths: [
            {
              name: '@temporalio/workflow',
              importNames: ['proxyLocalActivities'],
              message: 'a query at the wrong moment makes a replay fail: see workflows/assess.ts',
            },
          ],
          patterns: [{ group: ['node:*', '../activities/*'], allowTypeImports: true, message: 'workflows do no I/O' }],
        },
      ],
    },
  },
  { files: ['**/*.js', '**/*.mjs'], ...tseslint.configs.disableTypeChecked },
  {
    files: ['**/*.js', '**/*.mjs'],
    languageOptions: { globals: { process: 'readonly', console: 'readonly', URL: 'readonly', setTimeout: 'readonly' } },
  },
)
