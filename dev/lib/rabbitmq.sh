#!/usr/bin/env bash
# Part of dev/services: the RabbitMQ of an instance, and its port mapper (epmd). Sourced.
# shellcheck shell=bash disable=SC2034,SC2154 # the other files set and read the names in common

rabbitmq_pid() {
  spawned_pid "$mq/pid"
}

# Sets the array rabbitmq_environment: our node and nothing of the machine's own (/etc/rabbitmq).
describe_node() {
  local digest
  digest=$(printf '%s' "$folder" | sha256sum | cut -c1-8)
  node=$instance-$digest@localhost
  rabbitmq_environment=(
    HOME="$mq/home"
    ERL_EPMD_ADDRESS=127.0.0.1
    ERL_EPMD_PORT="$(recall EPMD_PORT)"
    ERL_CRASH_DUMP="$mq/log/erl_crash.dump"
    RABBITMQ_NODENAME="$node"
    RABBITMQ_DIST_PORT="$(recall DIST_PORT)"
    RABBITMQ_CONFIG_FILE="$mq/rabbitmq.conf"
    RABBITMQ_CONFIG_FILES="$mq/conf.d"
    RABBITMQ_ADVANCED_CONFIG_FILE="$mq/advanced.config"
    RABBITMQ_CONF_ENV_FILE="$mq/rabbitmq-env.conf"
    RABBITMQ_ENABLED_PLUGINS_FILE="$mq/enabled_plugins"
    RABBITMQ_MNESIA_BASE="$mq/data"
    RABBITMQ_SCHEMA_DIR="$mq/schema"
    RABBITMQ_LOG_BASE="$mq/log"
  )
}

write_rabbitmq_settings() {
  mkdir -p "$mq"/{home,data,log,schema,conf.d}
  : >"$mq/rabbitmq-env.conf"
  echo '[].' >"$mq/advanced.config"
  echo '[rabbitmq_management].' >"$mq/enabled_plugins"
  if [[ -n ${OUTBOX_DEV_RABBITMQ_CONFIG:-} && -z $(recall RABBITMQ_STARTED) ]]; then
    cp -- "$OUTBOX_DEV_RABBITMQ_CONFIG" "$mq/extra.conf"
  fi
  {
    cat <<-END
			listeners.tcp.1 = 127.0.0.1:$(recall AMQP_PORT)
			management.tcp.ip = 127.0.0.1
			management.tcp.port = $(recall MANAGEMENT_PORT)
			loopback_users.guest = true
			disk_free_limit.absolute = 50MB
			vm_memory_high_watermark.relative = 0.4
			log.file.level = warning
			collect_statistics_interval = 1000
		END
    [[ ! -e $mq/extra.conf ]] || cat "$mq/extra.conf"
  } >"$mq/rabbitmq.conf"
}

# Each node has a port mapper of its own: the usual one, on 4369, may be another user's.
launch_epmd() {
  local epmd
  ! spawned_pid "$mq/epmd.pid" >/dev/null || return 0
  [[ -z $(recall RABBITMQ_PEER) ]] || return 0
  epmd=$(command -v epmd || newest_first /usr/lib/erlang/erts-*/bin/epmd | head -n 1)
  spawn "$mq/epmd.pid" "$mq/log/epmd" "$epmd" -port "$(recall EPMD_PORT)" -address 127.0.0.1
  await_port "$(recall EPMD_PORT)" "$mq/epmd.pid" && return 0
  echo "epmd has not started (it does not say why: address already in use?)" >>"$mq/log/epmd"
  return 1
}

# await_port PORT PIDFILE
await_port() {
  local attempt
  for ((attempt = 0; attempt < 250; attempt++)); do
    sleep 0.02
    if port_answers "$1"; then
      sleep 0.05 # it may be another's, and ours about to end
      spawned_pid "$2" >/dev/null
      return
    fi
  done
  return 1
}

port_answers() {
  (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

# Schedulers are not bound to cores (u): most nodes have one, and would have it on the first core.
# RUNNING_UNDER_SYSTEMD makes the script become the server instead of waiting for it.
launch_rabbitmq() {
  local schedulers=${OUTBOX_DEV_RABBITMQ_SCHEDULERS:-$(recall RABBITMQ_SCHEDULERS)}
  schedulers=${schedulers:-1}
  remember RABBITMQ_SCHEDULERS "$schedulers"
  describe_node
  launch_epmd || return 1
  remember RABBITMQ_READY_PID ''
  spawn "$mq/pid" "$mq/log/console" env "${rabbitmq_environment[@]}" \
    RUNNING_UNDER_SYSTEMD=true \
    RABBITMQ_SCHEDULER_BIND_TYPE=u \
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS="+S $schedulers:$schedulers +sbwt none -start_epmd false -kernel inet_dist_use_interface {127,0,0,1}" \
    "$rabbitmq_sbin/rabbitmq-server"
}

# Prints the answer of the management plugin.
ask_management() {
  (
    exec 3<>"/dev/tcp/127.0.0.1/$(recall MANAGEMENT_PORT)" || exit 1
    printf 'GET /api/overview HTTP/1.0\r\nAuthorization: Basic %s\r\n\r\n' "$(printf guest:guest | base64)" >&3
    timeout 5 cat <&3
  ) 2>/dev/null
}

# Ready is when our node itself says that it listens on the port. (It may be another's server that
# answers there.) A test may have changed the guest's password: then the port must do.
rabbitmq_is_ready() {
  local answer listens
  listens="\"port\":$(recall AMQP_PORT)[,}]"
  port_answers "$(recall AMQP_PORT)" || return 1
  answer=$(ask_management | tr -d '\0') || return 1
  [[ $answer == HTTP/1.?" 401"* ]] && return 0
  [[ $answer == *"\"$node\""* && $answer =~ $listens ]]
}

await_rabbitmq() {
  local end=$((SECONDS + START_SECONDS)) spawned=$SECONDS
  until rabbitmq_is_ready; do
    if ! rabbitmq_pid >/dev/null && ((SECONDS > spawned + 1)) || ((SECONDS >= end)); then
      return 1
    fi
    sleep 0.1
  done
  remember RABBITMQ_READY_PID "$(rabbitmq_pid)"
}

rabbitmq_logs() {
  printf '%s\n' "$mq/log/epmd" "$mq/log/console" "$mq/log/$node.log"
}

# adopt_peer NAME: nodes of one cluster share a secret and a port mapper, those of the instance NAME.
adopt_peer() {
  local port
  port=$(cat "$base/$1/state/EPMD_PORT") || die 1 "there is no RabbitMQ $1 in $base"
  remember EPMD_PORT "$port"
  remember RABBITMQ_PEER "$1"
  mkdir -p "$mq/home"
  cp -fp -- "$base/$1/rabbitmq/home/.erlang.cookie" "$mq/home/"
}

start_rabbitmq() {
  local attempt pid logs
  describe_node
  mapfile -t logs < <(rabbitmq_logs)
  if pid=$(rabbitmq_pid); then
    [[ $(recall RABBITMQ_READY_PID) != "$pid" ]] || return 0
    await_rabbitmq && return 0
  fi
  for ((attempt = 1; attempt <= START_ATTEMPTS; attempt++)); do
    ! rabbitmq_pid >/dev/null || break
    [[ -n $(recall RABBITMQ_STARTED) ]] || {
      stop_epmd
      reserve_ports AMQP_PORT MANAGEMENT_PORT DIST_PORT EPMD_PORT
      [[ -z ${OUTBOX_DEV_RABBITMQ_PEER:-} ]] || adopt_peer "$OUTBOX_DEV_RABBITMQ_PEER"
      rm -f -- "${logs[@]}"
    }
    write_rabbitmq_settings
    if launch_rabbitmq && await_rabbitmq; then
      remember RABBITMQ_STARTED yes
      return 0
    fi
    other_ports_may_help "$(recall RABBITMQ_STARTED)" "${logs[@]}" || break
  done
  report_failure "RabbitMQ did not get ready on port $(recall AMQP_PORT)" "${logs[@]}"
  return 1
}

stop_epmd() {
  local pid
  pid=$(spawned_pid "$mq/epmd.pid") || return 0
  end_process epmd TERM "$pid"
}

stop_rabbitmq() {
  local pid
  if pid=$(rabbitmq_pid); then
    end_process RabbitMQ TERM "$pid"
  fi
  stop_epmd
}

kill_rabbitmq() {
  local pid
  pid=$(rabbitmq_pid) || return 0
  end_process RabbitMQ KILL "$pid"
}

discard_rabbitmq() {
  kill_rabbitmq
  stop_epmd
}
