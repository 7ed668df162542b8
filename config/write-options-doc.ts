/** `node dist/config/write-options-doc.js`: writes docs/options.md anew after options changed. */
import { writeFile } from 'node:fs/promises'
import { optionsDoc } from './options-doc.js'

// seen from dist/config
await writeFile(new URL('../../docs/options.md', import.meta.url), optionsDoc())
