#!/usr/bin/env bash
# What the scripts in dev/ share: messages, and where the servers' programs are. Sourced, never run.

# shellcheck disable=SC2034 # used by those who source this
readonly EX_USAGE=64 EX_UNAVAILABLE=69

say() {
  printf '%s: %s\n' "${0##*/}" "$*" >&2
}

# die CODE MESSAGE...
die() {
  local code=$1
  shift
  say "$@"
  exit "$code"
}

# The comment at the top of the running script is its manual.
manual() {
  sed -n '2,/^$/s/^# \{0,1\}//p' "$0"
}

newest_first() {
  printf '%s\n' "$@" | sort -rV
}

# Prints the folder that has postgres, initdb and pg_ctl: the newest version that is installed.
# (A client-only package has such a folder too, without initdb in it.)
find_postgres_bin() {
  local candidates candidate
  mapfile -t candidates < <(
    [[ -z ${OUTBOX_DEV_POSTGRES_BIN:-} ]] || echo "$OUTBOX_DEV_POSTGRES_BIN"
    newest_first /usr/lib/postgresql/*/bin
    pg_config --bindir 2>/dev/null
    dirname -- "$(command -v initdb || echo .)"
  )
  for candidate in "${candidates[@]}"; do
    if [[ -x $candidate/initdb && -x $candidate/pg_ctl && -x $candidate/postgres ]]; then
      echo "$candidate"
      return 0
    fi
  done
  return 1
}

# Prints the folder of RabbitMQ's own scripts. Debian's wrapper in /usr/sbin is of no use here: it
# changes to the user rabbitmq and drops the environment.
find_rabbitmq_sbin() {
  local candidates candidate
  mapfile -t candidates < <(
    [[ -z ${OUTBOX_DEV_RABBITMQ_SBIN:-} ]] || echo "$OUTBOX_DEV_RABBITMQ_SBIN"
    newest_first /usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin
    dirname -- "$(realpath -- "$(command -v rabbitmq-server || echo .)")"
  )
  for candidate in "${candidates[@]}"; do
    if [[ -x $candidate/rabbitmq-server && -e $candidate/rabbitmq-env ]]; then
      echo "$candidate"
      return 0
    fi
  done
  return 1
}

# Prints the program. (Debian has it in a folder that not every user's PATH has.)
find_pgbouncer() {
  PATH=$PATH:/usr/sbin command -v pgbouncer
}
