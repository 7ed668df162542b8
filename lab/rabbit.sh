# shellcheck shell=bash
# A RabbitMQ of our own: node name, ports, cookie, data; and an epmd of our own, since the first node on a machine starts
# one that outlives it. Restarting this broker hurts nobody else's.

prepare_rabbit() {
  local R=$LAB/rabbit
  mkdir -p "$R"
  chmod 700 "$R"
  echo '[].' >"$R/enabled_plugins"
  # the machine's own /etc/rabbitmq must not be read: it may name its node or its ports
  : >"$R/env.conf"
  # the user is made at the first start, which is much faster than rabbitmqctl
  cat >"$R/rabbitmq.conf" <<C
listeners.tcp.1 = 127.0.0.1:$(port_of rabbit)
default_user = openstack
default_pass = openstack
loopback_users = none
log.file.level = info
C
}

# NAME=VALUE pairs under which the server and rabbitmqctl find this node
rabbit_environment() {
  local R=$LAB/rabbit
  printf '%s\n' "HOME=$R" "RABBITMQ_NODENAME=cklab$PORT_SHIFT@localhost" "RABBITMQ_CONF_ENV_FILE=$R/env.conf" \
    "RABBITMQ_CONFIG_FILE=$R/rabbitmq.conf" "RABBITMQ_ENABLED_PLUGINS_FILE=$R/enabled_plugins" \
    "RABBITMQ_MNESIA_BASE=$R/data" "RABBITMQ_LOG_BASE=$LOG/rabbit" "RABBITMQ_DIST_PORT=$(port_of rabbit-dist)" \
    "ERL_EPMD_PORT=$(port_of epmd)" ERL_EPMD_ADDRESS=127.0.0.1 \
    'ERL_FLAGS=-kernel inet_dist_use_interface {127,0,0,1}'
}

launch_epmd() { launch epmd epmd -address 127.0.0.1 -port "$(port_of epmd)"; }

launch_rabbit() {
  local environment
  mapfile -t environment < <(rabbit_environment)
  # "under systemd" makes the script exec the broker instead of staying its parent: the pid is the broker's
  launch rabbit env "${environment[@]}" RUNNING_UNDER_SYSTEMD=1 /usr/lib/rabbitmq/bin/rabbitmq-server
}

rabbit_ctl() {
  local environment
  mapfile -t environment < <(rabbit_environment)
  env "${environment[@]}" /usr/lib/rabbitmq/bin/rabbitmqctl "$@"
}

# Cinder's and Nova's queues do not outlive the broker, and a request that comes before its service has declared its queue
# again is lost without a word: the volume stays "creating" or "deleting". So a broker counts as started once all that is
# asked for of the services that run is consumed. cinder-volume listens twice, and comes back twice: for itself and for its backend.
services_consume() {
  local consumed queue service
  consumed=$(rabbit_ctl --quiet --no-table-headers list_consumers queue_name 2>/dev/null) || return
  for queue in cinder-scheduler{,.lab} cinder-backup{,.lab} cinder-volume{,.lab@ceph,.lab@ceph.lab}; do
    ! runs "${queue%%.*}" || grep -qE "^$queue\s*$" <<<"$consumed" || return
  done
  for service in conductor scheduler compute; do
    ! runs "nova-$service" || grep -qE "^$service\.lab\s*$" <<<"$consumed" || return
  done
}

amqp_authority() { echo "openstack:openstack@127.0.0.1:$(port_of rabbit)/"; }

# for a service's configuration: it publishes what it does, and finds the broker again soon
publishing() {
  cat <<C
[oslo_messaging_notifications]
driver = messagingv2
topics = notifications
[oslo_messaging_rabbit]
kombu_reconnect_delay = 0.5
rabbit_interval_max = 2
C
}
