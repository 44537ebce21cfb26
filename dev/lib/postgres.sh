#!/usr/bin/env bash
# Part of dev/services: the PostgreSQL of an instance. Sourced.
# shellcheck shell=bash disable=SC2034,SC2154 # the other files set and read the names in common

# PostgreSQL refuses to run as root.
as_postgres() {
  if ((EUID == 0)); then
    runuser -u postgres -- "$@"
  else
    "$@"
  fi
}

# Makes the folder for PostgreSQL: in the instance's folder, or, where the user postgres cannot
# reach that, a temporary one, with a link to it in its place.
make_postgres_folder() {
  [[ ! -e $pg ]] || return 0
  rm -f -- "$pg" # a link whose folder is gone
  mkdir "$pg"
  ((EUID == 0)) || return 0
  chown postgres: "$pg"
  as_postgres test -w "$pg" && return 0
  rmdir "$pg"
  local outside
  outside=$(mktemp -d "${TMPDIR:-/tmp}/outbox-relay-postgres.XXXXXX")
  echo "$folder" >"$outside/instance"
  ln -s "$outside" "$pg"
  chown postgres: "$outside"
  as_postgres test -w "$outside" \
    || die 1 "the user postgres can reach neither $folder nor $outside: set OUTBOX_DEV_DIR or TMPDIR"
}

postgres_data() {
  echo "$(realpath -- "$pg")/data"
}

# Prints the postmaster's process id if it is alive and works on our data.
postgres_pid() {
  local data pid
  data=$(postgres_data 2>/dev/null) || return 1
  read -r pid 2>/dev/null <"$data/postmaster.pid" || return 1
  grep -qszxF -- "$data" "/proc/$pid/cmdline" || return 1
  echo "$pid"
}

create_cluster() {
  local data
  data=$(postgres_data)
  [[ ! -d $data ]] || return 0
  rm -rf -- "$data.new"
  as_postgres "$postgres_bin/initdb" -D "$data.new" -U postgres -A trust -E UTF8 --no-locale --no-sync \
    >"$pg/initdb.log" 2>&1 || {
    report_failure 'initdb failed' "$pg/initdb.log"
    return 1
  }
  echo "include '../settings.conf'" >>"$data.new/postgresql.conf"
  mv -- "$data.new" "$data"
}

# Dynamic shared memory lives in the data folder (mmap), so that a killed server leaves none behind.
write_postgres_settings() {
  local fsync=${OUTBOX_DEV_FSYNC:-$(recall POSTGRES_FSYNC)}
  remember POSTGRES_FSYNC "${fsync:-off}"
  local buffers=${OUTBOX_DEV_SHARED_BUFFERS:-$(recall POSTGRES_SHARED_BUFFERS)}
  remember POSTGRES_SHARED_BUFFERS "${buffers:-128MB}"
  cat >"$pg/settings.conf" <<-END
		listen_addresses = '127.0.0.1'
		port = $(recall POSTGRES_PORT)
		unix_socket_directories = ''
		fsync = ${fsync:-off}
		max_connections = 200
		max_prepared_transactions = 20
		shared_buffers = ${buffers:-128MB}
		dynamic_shared_memory_type = mmap
		wal_level = logical
		max_wal_size = 2GB
	END
}

# A killed server leaves its process id file and a small piece of shared memory, whose number is in
# the seventh line of the file. The next server would clean up itself, but not where process 1
# collects no zombies (many containers): there it would take the dead server for a living one.
clear_killed_postgres() {
  local file=$pg/data/postmaster.pid id end=$((SECONDS + 30))
  [[ -e $file ]] && ! postgres_pid >/dev/null || return 0
  id=$(sed -n '7s/^ *[0-9]* *\([0-9][0-9]*\) *$/\1/p' "$file")
  while [[ -n $id ]] && shared_memory_is_used "$id"; do
    ((SECONDS < end)) || die 1 "processes of a killed PostgreSQL are still at work in $pg/data"
    sleep 0.1
  done
  [[ -z $id ]] || ipcrm -m "$id" 2>/dev/null || true
  rm -f -- "$file"
}

# shared_memory_is_used ID: by a process that is attached to it (the seventh column).
shared_memory_is_used() {
  awk -v id="$1" '$2 == id && $7 > 0 { used = 1 } END { exit !used }' /proc/sysvipc/shm
}

launch_postgres() {
  local data
  data=$(postgres_data)
  (
    close_inherited_files
    as_postgres "$postgres_bin/pg_ctl" start -s -w -t "$START_SECONDS" -D "$data" -l "${data%/data}/log" \
      </dev/null >/dev/null 2>&1
  )
}

# For a server that an interrupted start left behind.
await_postgres() {
  local end=$((SECONDS + START_SECONDS))
  until sed -n 8p "$pg/data/postmaster.pid" 2>/dev/null | grep -q ready; do
    if ! postgres_pid >/dev/null || ((SECONDS >= end)); then
      report_failure 'PostgreSQL did not get ready' "$pg/log"
      return 1
    fi
    sleep 0.1
  done
}

start_postgres() {
  local attempt
  if postgres_pid >/dev/null; then
    await_postgres
    return
  fi
  make_postgres_folder
  create_cluster
  clear_killed_postgres
  for ((attempt = 1; attempt <= START_ATTEMPTS; attempt++)); do
    [[ -n $(recall POSTGRES_STARTED) ]] || {
      reserve_ports POSTGRES_PORT
      rm -f -- "$pg/log"
    }
    write_postgres_settings
    if launch_postgres; then
      remember POSTGRES_STARTED yes
      return 0
    fi
    other_ports_may_help "$(recall POSTGRES_STARTED)" "$pg/log" || break
  done
  report_failure "PostgreSQL did not start on port $(recall POSTGRES_PORT)" "$pg/log"
  return 1
}

# Fast shutdown: connections are ended, everything is written.
stop_postgres() {
  local pid
  pid=$(postgres_pid) || return 0
  end_process PostgreSQL INT "$pid"
}

# The postmaster and its children at once, like a machine that fails: a child that was left would
# finish its statement, and keep the next server from starting.
kill_postgres() {
  local pid children
  pid=$(postgres_pid) || return 0
  kill -STOP "$pid"
  mapfile -t children < <(grep -lsx "PPid:[[:space:]]*$pid" /proc/[0-9]*/status | cut -d/ -f3)
  kill -KILL "$pid" "${children[@]}" 2>/dev/null || true
  await_end 30 "$pid" "${children[@]}" || die 1 "PostgreSQL (process $pid) cannot be killed"
}

discard_postgres() {
  local pid outside
  if pid=$(postgres_pid); then
    end_process PostgreSQL QUIT "$pid"
  fi
  clear_killed_postgres
  [[ -L $pg ]] || return 0
  outside=$(readlink -- "$pg")
  if [[ $(cat "$outside/instance" 2>/dev/null) == "$folder" ]]; then
    rm -rf -- "$outside"
  fi
}
