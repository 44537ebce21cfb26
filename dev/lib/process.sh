#!/usr/bin/env bash
# Part of dev/services: starting, finding and ending the processes that are ours. Sourced.
# shellcheck shell=bash disable=SC2034,SC2154 # the other files set and read the names in common

readonly START_SECONDS=90 STOP_SECONDS=60 START_ATTEMPTS=5

# To be called in a subshell that is about to run a server: it must not hold what we, or our caller,
# have open (our lock, a pipe whose end somebody awaits).
close_inherited_files() {
  local file number
  for file in "/proc/$BASHPID/fd"/*; do
    number=${file##*/}
    ((number <= 2)) || eval "exec $number>&-"
  done
}

# spawn PIDFILE LOG COMMAND...: runs it detached from us; its environment says whose it is.
spawn() {
  local pid_file=$1 log=$2
  shift 2
  (
    close_inherited_files
    cd "$folder" || exit
    echo "$BASHPID" >"$pid_file"
    OUTBOX_DEV_PID_FILE=$pid_file exec setsid "$@" </dev/null >>"$log" 2>&1
  ) &
}

# Prints the process id in PIDFILE if that process is alive and is the one we spawned.
spawned_pid() {
  local pid
  pid=$(cat "$1" 2>/dev/null) || return 1
  [[ $pid =~ ^[0-9]+$ ]] || return 1
  grep -qszxF -- "OUTBOX_DEV_PID_FILE=$1" "/proc/$pid/environ" || return 1
  echo "$pid"
}

# A zombie has no command line: nobody may have collected it, but it is gone.
any_alive() {
  local pid
  for pid; do
    ! grep -qs . "/proc/$pid/cmdline" || return 0
  done
  return 1
}

# await_end SECONDS PID...
await_end() {
  local end=$((SECONDS + $1))
  shift
  while any_alive "$@"; do
    ((SECONDS < end)) || return 1
    sleep 0.05
  done
}

# end_process NAME SIGNAL PID: asks with SIGNAL, insists after a while.
end_process() {
  kill "-$2" "$3" 2>/dev/null || return 0
  kill -CONT "$3" 2>/dev/null || true # a test may have stopped it
  if ! await_end "$STOP_SECONDS" "$3"; then
    say "$1 (process $3) has not ended in $STOP_SECONDS seconds: killed"
    kill -KILL "$3" 2>/dev/null || true
    await_end 10 "$3" || die 1 "process $3 cannot be killed"
  fi
}

# report_failure WHAT LOG...
report_failure() {
  local what=$1 log
  shift
  say "$instance: $what. The end of its logs:"
  for log; do
    [[ ! -s $log ]] || { echo "--- $log" && tail -n 25 -- "$log"; } >&2
  done
}
