#!/usr/bin/env bash
# Part of dev/services: a pgbouncer in transaction mode before the PostgreSQL of an instance. Sourced.
#
# Its settings are the recipe of docs/connecting.md: nothing is ignored, no prepared statements. Any
# role of PostgreSQL and any database pass. Its files are in PostgreSQL's folder, whose user runs it.
# shellcheck shell=bash disable=SC2034,SC2154 # the other files set and read the names in common

pgbouncer_folder() {
  echo "$(realpath -- "$pg")/pgbouncer"
}

pgbouncer_pid() {
  spawned_pid "$folder/pgbouncer.pid"
}

write_pgbouncer_settings() {
  local files
  files=$(pgbouncer_folder)
  mkdir -p "$files"
  echo '"postgres" ""' >"$files/users"
  cat >"$files/pgbouncer.ini" <<-END
		[databases]
		* = host=127.0.0.1 port=$(recall POSTGRES_PORT)

		[pgbouncer]
		listen_addr = 127.0.0.1
		listen_port = $(recall PGBOUNCER_PORT)
		unix_socket_dir =
		pool_mode = transaction
		auth_type = trust
		auth_file = $files/users
		auth_user = postgres
		max_client_conn = 1000
		default_pool_size = 20
		min_pool_size = 0
		server_idle_timeout = 10
		autodb_idle_timeout = 10
		server_login_retry = 1
		log_connections = 0
		log_disconnections = 0
	END
  ((EUID != 0)) || chown -R postgres: "$files"
}

launch_pgbouncer() {
  local user=()
  ((EUID != 0)) || user=(-u postgres)
  spawn "$folder/pgbouncer.pid" "$folder/pgbouncer.log" "$pgbouncer_program" "${user[@]}" "$(pgbouncer_folder)/pgbouncer.ini"
  await_port "$(recall PGBOUNCER_PORT)" "$folder/pgbouncer.pid"
}

start_pgbouncer() {
  local attempt
  ! pgbouncer_pid >/dev/null || return 0
  if [[ -z $(recall POSTGRES_STARTED) ]]; then
    say "$instance: pgbouncer needs PostgreSQL: start postgres first"
    return 1
  fi
  for ((attempt = 1; attempt <= START_ATTEMPTS; attempt++)); do
    [[ -n $(recall PGBOUNCER_STARTED) ]] || {
      reserve_ports PGBOUNCER_PORT
      rm -f -- "$folder/pgbouncer.log"
    }
    write_pgbouncer_settings
    if launch_pgbouncer; then
      remember PGBOUNCER_STARTED yes
      return 0
    fi
    other_ports_may_help "$(recall PGBOUNCER_STARTED)" "$folder/pgbouncer.log" || break
  done
  report_failure "pgbouncer did not start on port $(recall PGBOUNCER_PORT)" "$folder/pgbouncer.log"
  return 1
}

stop_pgbouncer() {
  local pid
  pid=$(pgbouncer_pid) || return 0
  end_process pgbouncer TERM "$pid"
}

kill_pgbouncer() {
  local pid
  pid=$(pgbouncer_pid) || return 0
  end_process pgbouncer KILL "$pid"
}

discard_pgbouncer() {
  kill_pgbouncer
}
