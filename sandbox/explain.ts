import type { Sandbox } from './sandbox.js'

/** Each kind of fault once, as it is asked for. */
export const faultExamples: readonly (readonly [what: string, body: Record<string, unknown>])[] = [
  ['a status code', { kind: 'status', status: 503, method: 'POST', path: '/backups$', count: 3 }],
  ['no answer at all', { kind: 'hang', method: 'GET', path: '/volumes/' }],
  ['a late answer', { kind: 'slow', milliseconds: 5000, path: '/volumes/detail' }],
  ['an answer lost after the work was done', { kind: 'lost-answer', method: 'POST', path: '/snapshots$' }],
  ['an object that stays as it is', { kind: 'stuck', work: 'backup.create' }],
  ['work that fails afterwards', { kind: 'fail', work: 'snapshot.create', reason: 'no space' }],
  ['a lost notification', { kind: 'lose-notification', event: 'volume.create.end' }],
  ['a doubled one', { kind: 'double-notification', event: 'volume.create.end' }],
  ['one that is overtaken by two others', { kind: 'hold-notification', event: 'volume.create.end', by: 2 }],
  ['the next backup damaged, or one by its id ("backup")', { kind: 'damage-backup', how: 'flip' }],
  ['no cinder-backup service', { kind: 'no-backup-service' }],
]

/** What `npm run sandbox` prints. */
export function explain(sandbox: Sandbox, given: { amqpUrl: string; dir: string; driver: string }): string {
  const exports = Object.entries({ ...sandbox.env, AMQP_URL: given.amqpUrl }).map(
    ([name, value]) => `export ${name}='${value}'`,
  )
  const width = Math.max(...faultExamples.map(([what]) => what.length))
  const faults = faultExamples.map(([what, body]) => `  ${what.padEnd(width)}  ${JSON.stringify(body)}`)
  return `A cloud at ${sandbox.url}, backup driver ${given.driver}, volumes in ${given.dir}
Users admin, payments, research, web with the password "secret", each in the project of its name.

${exports.join('\n')}

In cinderkeep.yaml:
  listen: {bind: [{exchange: ${sandbox.exchange}, topics: [notifications]}]}
  sources: [{match: "*@files#*", kind: file, dir: ${given.dir}}]

Faults: POST them to ${sandbox.url}/_sandbox/faults, for example
  curl -d '${JSON.stringify(faultExamples[0]?.[1])}' ${sandbox.url}/_sandbox/faults
${faults.join('\n')}
  every fault: "nth" is the first match that is hit (1), "count" how many are (1; no-backup-service: all)
  work: volume.create|delete|resize|attach|detach, snapshot.create|delete, backup.create|restore|delete,
        image.snapshot (one of createImage's; stuck: nova-api dies), image.create, server.thaw
GET lists them with their hits, DELETE (/<id>) clears; GET /_sandbox/record shows what was asked of the cloud.

Guests: GET ${sandbox.url}/_sandbox/guests lists the servers' guests; POST to …/guests/SERVER
  {"agent": "present|absent|hung", "os": "linux|windows", "filesystems": N, "freeze": "works|hangs|refused", "thawsAfterMs": N}
  …/guests/SERVER/freeze and …/thaw do what libvirt does, …/migrate {"host": NAME} moves the server.
  GET ${sandbox.url}/_sandbox/snapshots shows which snapshots were taken of frozen guests.
  node dist/sandbox/virsh.js --connect sandbox+${sandbox.url}[/HYPERVISOR] domstate|domfsfreeze|domfsthaw SERVER, hostname
Ctrl-C stops it.
`
}
