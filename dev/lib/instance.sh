#!/usr/bin/env bash
# Part of dev/services: an instance, its folder, its lock, what it remembers, its ports. Sourced.
#
# Names in common: base (where the instances are), instance (its name), folder, pg and mq (the two
# servers' folders in it), services (which of them a command is about).
# shellcheck shell=bash disable=SC2034,SC2154 # the other files set and read the names in common

# Sets the names that everything below uses.
choose_instance() {
  local name=${1:-}
  [[ $name =~ ^[A-Za-z0-9][A-Za-z0-9_-]{0,39}$ ]] \
    || die "$EX_USAGE" "an instance's name is 1 to 40 letters, digits, _ or -, not '$name'"
  instance=$name
  folder=$base/$name
  pg=$folder/postgres
  mq=$folder/rabbitmq
}

# Sets the array services.
choose_services() {
  local service
  for service; do
    [[ $service == postgres || $service == rabbitmq || $service == pgbouncer ]] \
      || die "$EX_USAGE" "a service is postgres, rabbitmq or pgbouncer, not '$service'"
  done
  services=("$@")
  ((${#services[@]})) || services=(postgres rabbitmq)
}

# Waits for its turn: one command at a time for each instance. The lock is on the folder, which a
# remove renames before it deletes it: what was waited for may not be the instance any more.
lock_instance() {
  local lock
  while [[ -d $folder ]]; do
    if { exec {lock}<"$folder"; } 2>/dev/null; then
      flock -w 300 "$lock" || die 1 "another command has held $instance for five minutes"
      [[ ! $folder -ef /proc/self/fd/$lock ]] || return 0
      exec {lock}<&-
    fi
  done
  return 1
}

lock_or_create_instance() {
  until mkdir -p "$folder/state" && lock_instance; do :; done
  mkdir -p "$folder/state"
}

lock_existing_instance() {
  lock_instance || die 1 "there is no instance $instance in $base"
}

# What an instance remembers: one small file for each key.
remember() {
  printf '%s\n' "$2" >"$folder/state/$1"
}

recall() {
  [[ ! -e $folder/state/$1 ]] || printf '%s\n' "$(<"$folder/state/$1")"
}

# free_ports COUNT TAKEN...: prints ports of 127.0.0.1 that the kernel lets us bind. They are below
# the range from which it serves outgoing connections: a stopped server's port stays its own, and a
# client that knocks at it in vain can never be given that same port and be connected to itself.
free_ports() {
  perl -MSocket -e '
    my $count = shift @ARGV;
    my %taken = map { $_ => 1 } @ARGV;
    my ($from, $to) = (20000, 32767);
    if (open my $range, "<", "/proc/sys/net/ipv4/ip_local_port_range") {
      my ($low) = split " ", <$range>;
      $to = $low > 22000 ? $low - 1 : 60999;
    }
    for (1 .. 10000) {
      last if $count == 0;
      my $port = $from + int rand($to - $from + 1);
      next if $taken{$port}++;
      socket(my $socket, PF_INET, SOCK_STREAM, 0) or die "socket: $!";
      bind($socket, pack_sockaddr_in($port, INADDR_LOOPBACK)) or next;
      print "$port\n";
      $count--;
    }
    die "no free ports\n" if $count;
  ' "$@"
}

# Gives each KEY a port that no instance has, this one included, running or stopped.
reserve_ports() {
  local turn key taken ports
  exec {turn}<"$base"
  flock "$turn"
  mapfile -t taken < <(cat "$base"/*/state/*_PORT 2>/dev/null)
  ports=$(free_ports "$#" "${taken[@]}")
  for key; do
    remember "$key" "${ports%%$'\n'*}"
    ports=${ports#*$'\n'}
  done
  exec {turn}<&-
}

# other_ports_may_help STARTED LOG...: did a server that left these logs fail because a port was
# taken, and is this its first start? Later its ports are known to others and do not change.
other_ports_may_help() {
  [[ -z $1 ]] && grep -qsiE 'eaddrinuse|address already in use|dist_port_already_used' "${@:2}"
}
