import { Command, Option } from 'commander'
import { checkConfig, initConfig, printSchema } from './config.js'
import type { Cli } from './context.js'
import type { ExitCode } from './exit-code.js'

const version = '0.1.0'

/** All commands. Each loads what it needs when it runs, so that `--help` is quick. */
export function createProgram(cli: Cli, ended: (code: ExitCode) => void): Command {
  const program = new Command('cinderkeep')
    .description(
      'Archives OpenStack volumes: captures them, copies them elsewhere, reads the copies back and proves them.',
    )
    .version(version)
    .addOption(new Option('--config <file>', 'cinderkeep.yaml; without it CINDERKEEP_CONFIG, ./ and /etc/cinderkeep/'))
    .option('--json', 'one JSON document for machines instead of a table for people')
    .showSuggestionAfterError()
    .exitOverride()
    .configureOutput({
      outputError: (text, write) => {
        write(text.replace(/^error: /, 'CK-USAGE  '))
      },
    })
    .configureHelp({ showGlobalOptions: true })
  example(program, 'cinderkeep policy plan', 'Every command has its own --help. Exit codes: docs/cli.md.')

  const run = program
    .command('run')
    .description('run the processes: one per role, supervised; ends on SIGTERM after what is held is finished')
    .addOption(
      new Option('--role <roles>', 'listener, control, mover, quiesce (on compute hosts); several with commas')
        .argParser(commas)
        .default(['listener', 'control', 'mover'], 'all but quiesce'),
    )
    .option('--zone <zone>', 'the storage that a mover is near', 'default')
    .action(async (_options: unknown, command: Command) => {
      ended(await (await import('./run.js')).run(cli, command))
    })
  example(run, 'cinderkeep run --role mover --zone rack-2')
  example(run, 'cinderkeep run --role quiesce', 'On a compute host: freezes and thaws its guests (docs/quiesce.md).')

  const config = program.command('config').description('check, describe or begin cinderkeep.yaml')
  const check = config
    .command('check')
    .description('each fault in one line; asks nobody, starts nothing')
    .action(async (_options: unknown, command: Command) => {
      ended(await checkConfig(cli, command))
    })
  example(check, 'cinderkeep --config /etc/cinderkeep/cinderkeep.yaml config check')
  const schema = config
    .command('schema')
    .description('the JSON Schema of the file, for editors')
    .action(async () => {
      ended(await printSchema(cli))
    })
  example(schema, 'cinderkeep config schema > cinderkeep.schema.json')
  const init = config
    .command('init')
    .description('write a file to start with, for a new installation; never overwrites one')
    .action(async (_options: unknown, command: Command) => {
      ended(await initConfig(cli, command))
    })
  example(init, 'cinderkeep --config ./cinderkeep.yaml config init')

  const doctor = program
    .command('doctor')
    .option('--skip <check>', 'leave this one out; may be given again', collect, [])
    .description('look at all that archives depend on: what is wrong, and what to do; changes nothing')
    .action(async (_options: unknown, command: Command) => {
      ended(await (await import('./doctor.js')).doctor(cli, command))
    })
  example(
    doctor,
    'cinderkeep doctor',
    'Exit codes: 0 no fault (perhaps warnings), 1 a fault, 2 no configuration to go by.',
  )

  const policy = program.command('policy').description('what the policies do')
  const plan = policy
    .command('plan')
    .argument('[name]', 'only this policy')
    .description('which volumes each policy protects and why; changes nothing')
    .action(async (name: string | undefined, _options: unknown, command: Command) => {
      ended(await (await import('./policy-plan.js')).policyPlan(cli, command, name))
    })
  example(plan, 'cinderkeep policy plan databases')
  const apply = policy
    .command('apply')
    .option('--yes', 'without asking')
    .description(
      "make Temporal's schedules equal the file, and its policies the ones workers go by; shows the difference first",
    )
    .action(async (_options: unknown, command: Command) => {
      ended(await (await import('./policy-apply.js')).policyApply(cli, command))
    })
  example(apply, 'cinderkeep policy apply --yes')

  const archive = program
    .command('archive')
    .argument('<volume...>', 'ids or names')
    .option('--target <target>', 'only this one; may be given again', collect, [])
    .option('--wait', 'follow it to its end: exit code 0 when every copy is verified, 3 when only some are')
    .description('archive now, outside any event or schedule')
    .action(async (volumes: string[], _options: unknown, command: Command) => {
      ended(await (await import('./archive.js')).archive(cli, command, volumes))
    })
  example(archive, 'cinderkeep archive db-data --target cinder --wait')

  const volumes = program
    .command('volumes')
    .option('--overdue', 'only those without a verified point as new as their policy wants')
    .option('--policy <name>', 'only those of this policy')
    .description('each protected volume: its policy, last verified point, what comes next, and its state')
    .action(async (_options: unknown, command: Command) => {
      ended(await (await import('./volumes.js')).volumes(cli, command))
    })
  example(volumes, 'cinderkeep volumes --overdue')

  const reconcile = program
    .command('reconcile')
    .description('compare the cloud with what is known of it now, name what was missed, and have it mended')
    .action(async (_options: unknown, command: Command) => {
      ended(await (await import('./reconcile.js')).reconcile(cli, command))
    })
  example(
    reconcile,
    'cinderkeep reconcile --json',
    'A schedule does the same every few minutes (`reconcile` of the file). Exit code 3: some workflow could not be told.',
  )

  const pause = program
    .command('pause')
    .option('--target <target>', 'only archives to this target; may be given again', collect, [])
    .option('--backend <backend>', "only volumes of this one, Cinder's HOST@BACKEND; may be given again", collect, [])
    .option('--reason <reason>', 'for those who wonder')
    .description('begin no archives; those that run stop at a safe point')
    .action(async (_options: unknown, command: Command) => {
      ended(await (await import('./pause.js')).pause(cli, command))
    })
  example(pause, "cinderkeep pause --target cinder --reason 'new disks'")

  const resume = program
    .command('resume')
    .option('--target <target>', 'what was paused with it; may be given again', collect, [])
    .option('--backend <backend>', 'what was paused with it; may be given again', collect, [])
    .description('let go on what was paused with the same options')
    .action(async (_options: unknown, command: Command) => {
      ended(await (await import('./resume.js')).resume(cli, command))
    })
  example(resume, 'cinderkeep resume --target cinder')

  const cancel = program
    .command('cancel')
    .argument('<archive...>', "workflow ids of archives, or volumes: all of a volume's that run")
    .description('stop archives; returns when they have removed what they had made')
    .action(async (archives: string[], _options: unknown, command: Command) => {
      ended(await (await import('./cancel.js')).cancel(cli, command, archives))
    })
  example(cancel, 'cinderkeep cancel db-data')

  const points = program
    .command('points')
    .argument('<volume>', 'id or name')
    .description("a volume's recovery points, newest first")
    .action(async (volume: string, _options: unknown, command: Command) => {
      ended(await (await import('./points.js')).points(cli, command, volume))
    })
  example(points, 'cinderkeep points db-data --json')

  const show = program
    .command('show')
    .argument('<point>', 'VOLUME@<point>, or VOLUME@latest')
    .description('one recovery point: its copies, hashes, consistency')
    .action(async (point: string, _options: unknown, command: Command) => {
      ended(await (await import('./show.js')).show(cli, command, point))
    })
  example(show, 'cinderkeep show db-data@latest')

  const verify = program
    .command('verify')
    .argument('<point>', 'VOLUME@<point>, or VOLUME@latest')
    .option('--target <target>', 'only the copy on this one; may be given again', collect, [])
    .description("read a point's copies back now and compare them; follows it to its end")
    .action(async (point: string, _options: unknown, command: Command) => {
      ended(await (await import('./verify.js')).verify(cli, command, point))
    })
  example(
    verify,
    'cinderkeep verify db-data@latest --target cinder',
    'Exit codes: 0 every copy is verified, 3 only some are or some could not be compared, 1 none is, 4 no such point.',
  )
  return program
}

function example(command: Command, line: string, more = ''): void {
  command.addHelpText('after', `\nExample:\n  ${line}${more === '' ? '' : `\n\n${more}`}`)
}

function commas(value: string): string[] {
  return value.split(',').map((one) => one.trim())
}

function collect(value: string, before: string[]): string[] {
  return [...before, value]
}
