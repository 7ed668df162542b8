/** The file that `config init` writes: complete, commented, and in order as it is. */
export function starterFile(installation: string): string {
  return `# Cinderkeep's configuration. Every option: docs/options.md. Check it with: cinderkeep config check

# Marks everything that we make in the cloud and on the targets. Never change it, never share it.
installation: ${installation}

# An entry of clouds.yaml; without it OS_CLOUD, then the other OS_* variables.
# cloud: prod

# Without it TEMPORAL_*, then 127.0.0.1:7233.
# temporal: {address: temporal:7233, namespace: cinderkeep}

# Where the cloud publishes its notifications. The password: AMQP_URL, or a file.
listen:
  # url: amqps://cinderkeep@mq1,mq2:5671/
  # passwordFile: /etc/cinderkeep/amqp-password
  queue: cinderkeep
  bind:
    - {exchange: openstack, topics: [notifications]}
    # - {exchange: nova, topics: [notifications]}

# Where movers read volumes themselves; without it copies cannot be verified.
sources: []
#  - {match: "*@ceph#*", kind: rbd, conf: /etc/ceph/ceph.conf, user: cinderkeep, pool: volumes}

targets:
  cinder: {kind: cinder-backup}  # permits: 4 limits how many archives go on at once

# The first policy that matches a volume protects it. Who would be protected: cinderkeep policy plan
policies:
  gold:
    where: {metadata: {archive: gold}}
    on: [volume.create.end, volume.detach.end]
    settle: 30s
    # every: "0 */6 * * *"        # and at these times; five fields of cron
    # timezone: Europe/Zurich
    # window: 22:00-06:00         # archives begin at this time of day only
    # rpo: 8h                     # a volume without a verified point for longer is overdue
    copies:
      - {target: cinder}
`
}
