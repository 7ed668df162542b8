/** `npm run sandbox`: the sandbox alone, until Ctrl-C. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { createLog } from '../log/log.js'
import { program } from '../setup/program.js'
import { findRabbit } from '../setup/rabbitmq.js'
import { explain } from './explain.js'
import { startSandbox } from './sandbox.js'

await program(async () => {
  const { values } = parseArgs({
    options: {
      port: { type: 'string', default: '0' },
      dir: { type: 'string' },
      driver: { type: 'string', default: 'ceph' },
      exchange: { type: 'string', default: 'sandbox' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  })
  if (values.help || (values.driver !== 'ceph' && values.driver !== 'chunked')) {
    process.stderr.write(
      'npm run sandbox -- [--port N] [--dir DIRECTORY] [--driver ceph|chunked] [--exchange NAME]\n' +
        '  --driver  the backup driver it imitates (ceph)\n' +
        '  --dir     where volumes lie and stay; without it a temporary directory that is removed at the end\n',
    )
    return values.help ? 0 : 2
  }
  const rabbit = await findRabbit()
  const dir = values.dir ?? (await mkdtemp(join(tmpdir(), 'cinderkeep-sandbox-')))
  try {
    const sandbox = await startSandbox({
      dir,
      port: Number(values.port),
      amqpUrl: rabbit.url,
      exchange: values.exchange,
      novaExchange: 'nova',
      driver: values.driver,
      log: createLog('warn'),
    })
    process.stdout.write(explain(sandbox, { amqpUrl: rabbit.url, dir, driver: values.driver }))
    await new Promise<void>((resolve) => {
      for (const signal of ['SIGINT', 'SIGTERM'] as const) {
        process.once(signal, () => {
          resolve()
        })
      }
    })
    await sandbox.close()
  } finally {
    await rabbit.stop()
    if (values.dir === undefined) await rm(dir, { recursive: true, force: true })
  }
  return 0
})
