#!/bin/bash
# demo.sh start | stop: a whole system in .demo/ of the checkout, from nothing to an alert in a webhook.
#
# start installs what is missing, builds, makes a cluster of its own, starts a node exporter, an exporter of PostgreSQL's own
# statistics and a webhook receiver, and shows scraping, PromQL and an alert, with the SQL it runs.  All of it
# keeps running.  A second start finds it running and shows the same again.  stop ends and removes everything.
set -eu -o pipefail
. "$(dirname "$0")/../scripts/common.sh"
cd "$top"

bold=$(tput bold 2>/dev/null || true)
plain=$(tput sgr0 2>/dev/null || true)
step() { printf '\n%s== %s ==%s\n' "$bold" "$*" "$plain"; }

# ---- processes: one file with the pid of each in $work/pids ----

# alive NAME: whether the process of that name still is the one that we started.
alive() {
    local pid; pid=$(cat "$work/pids/$1" 2>/dev/null) || return 1
    tr '\0' ' ' < "/proc/$pid/cmdline" 2>/dev/null | grep -qF "$(cat "$work/pids/$1.mark")"
}

# launch NAME MARK COMMAND...: starts COMMAND in the background as the unprivileged user; MARK is part of its command line.
launch() {
    local name=$1 mark=$2
    shift 2
    alive "$name" && return
    printf '%s' "$mark" > "$work/pids/$name.mark"
    (exec "${user_prefix[@]}" "$@") >"$work/log/$name.log" 2>&1 </dev/null &
    echo $! > "$work/pids/$name"
    disown
}

terminate() {
    if alive "$1"; then kill "$(cat "$work/pids/$1")"; fi
    rm -f "$work/pids/$1" "$work/pids/$1.mark"
}

# free_port FIRST: the first port from FIRST on that nobody listens on at 127.0.0.1.
free_port() {
    perl -MIO::Socket::INET -e 'for my $p ($ARGV[0] .. $ARGV[0] + 500) {
        my $s = IO::Socket::INET->new(LocalAddr => "127.0.0.1", LocalPort => $p, Listen => 1) or next; print $p; exit } exit 1' "$1"
}

# port NAME FIRST: the port that NAME was given when the demo was made.
port() {
    [ -s "$work/ports/$1" ] || free_port "$2" > "$work/ports/$1"
    cat "$work/ports/$1"
}

# ---- SQL ----

sql() { "$bindir/psql" -XAtq -v ON_ERROR_STOP=1 -d "$conninfo" -c "$1"; }
# Shows a statement, runs it, shows what it answers.
show() {
    sed 's/^/  /' <<<"$1"
    "$bindir/psql" -Xq -v ON_ERROR_STOP=1 -P footer=off -d "$conninfo" -c "$1" | sed 's/^/    /'
}

# What psql takes to connect, password and all.
demo_uri() { echo "postgresql://postgres:$(cat "$work/password")@127.0.0.1:$pg_port/postgres"; }

# wait_for SECONDS WHAT QUERY: until the query answers t.
wait_for() {
    local deadline=$((SECONDS + $1))
    printf '  waiting for %s ' "$2"
    until [ "$(sql "$3")" = t ]; do
        [ $SECONDS -lt $deadline ] || { say; fail "no $2 within $1 s; the server's log: $work/log/postgres.log"; }
        printf .
        sleep 0.5
    done
    say ' there'
}

# plot [--chart] QUERY SECONDS LABELS: draws the query over the last SECONDS; LABELS is an SQL expression for the name of a line.
plot() {
    local mode=()
    if [ "$1" = --chart ]; then mode=(--chart); shift; fi
    sql "SELECT $3 || '|' || extract(epoch FROM ts) || '|' || value
           FROM tsdb.promql(\$\$$1\$\$, now() - interval '$2 s', now(), '1 s') ORDER BY 1, ts" |
        perl demo/plot.pl "${mode[@]}" "$1"
}

# ---- parts ----

ports() {
    pg_port=$(port postgres 5499)
    node_port=$(port node 19100)
    hook_port=$(port webhook 19093)
    http_port=$(port gateway 19090)
    conninfo="host=127.0.0.1 port=$pg_port user=postgres dbname=postgres passfile=$work/pgpass"
}

# find_work: sets $work and $bindir when there is a demo.
find_work() {
    [ -e "$top/.demo/made" ] || return 1
    work=$(cd "$top/.demo" && pwd -P)
    bindir=$work/stage$("$pg_config" --bindir)
}

make_folders() {
    find_work && return
    remove_work .demo
    work_folder .demo
    mkdir "$work/pids" "$work/ports" "$work/log" "$work/run"
    give_to_user "$work/log" "$work/run"
    touch "$work/made"
    find_work
}

server_runs() { [ -x "$bindir/pg_ctl" ] && as_user "$bindir/pg_ctl" status -D "$work/run/data" >/dev/null 2>&1; }

start_server() {
    ports
    if server_runs; then
        say "  it runs already on port $pg_port"
        return
    fi
    stage "$work/stage"
    if [ ! -s "$work/run/data/PG_VERSION" ]; then
        # Other users of this machine shall not be its superuser.
        od -An -N12 -tx1 /dev/urandom | tr -d ' \n' > "$work/password"
        for role in postgres pgtsdb_gateway; do
            echo "127.0.0.1:$pg_port:*:$role:$(cat "$work/password")"
        done > "$work/pgpass"
        chmod 600 "$work/password" "$work/pgpass"
        give_to_user "$work/password" "$work/pgpass"
        as_user "$bindir/initdb" -D "$work/run/data" -A scram-sha-256 --pwfile="$work/password" -U postgres --no-locale -E UTF8 >/dev/null
        cat >> "$work/run/data/postgresql.conf" <<CONF

# pgtsdb
shared_preload_libraries = 'pgtsdb'
pgtsdb.databases = 'postgres'
pgtsdb.http_listen = '127.0.0.1:$http_port'
pgtsdb.http_anonymous_role = 'agent'
pgtsdb.http_dsn = 'host=127.0.0.1 port=$pg_port dbname=postgres user=pgtsdb_gateway passfile=$work/pgpass'
listen_addresses = '127.0.0.1'
port = $pg_port
unix_socket_directories = ''
CONF
    fi
    as_user "$bindir/pg_ctl" -s -w -D "$work/run/data" -l "$work/log/postgres.log" start
    say "  $("$bindir/pg_config" --version) on 127.0.0.1:$pg_port, as $run_as, in $work/run/data"
    sed -n '/^# pgtsdb/,$p' "$work/run/data/postgresql.conf" | sed 's/^/    /'
}

start_exporter() {
    launch node "127.0.0.1:$node_port" prometheus-node-exporter --web.listen-address="127.0.0.1:$node_port" \
        --collector.disable-defaults --collector.cpu --collector.loadavg --collector.meminfo --collector.diskstats \
        --collector.netdev --collector.stat --collector.filesystem --collector.uname --collector.vmstat
}

start_helpers() {
    # A checkout that the unprivileged user cannot read: it gets a copy.
    cp demo/webhook.pl "$work/"
    chmod a+r "$work/webhook.pl"
    start_exporter
    say "  node exporter      http://127.0.0.1:$node_port/metrics"
    [ -e "$work/log/notifications" ] || { : > "$work/log/notifications" && give_to_user "$work/log/notifications"; }
    launch webhook "webhook.pl $hook_port" perl "$work/webhook.pl" "$hook_port" "$work/log/notifications"
    say "  webhook receiver   http://127.0.0.1:$hook_port/, writes to $work/log/notifications"
}

. demo/tour.sh

start() {
    step "1. packages and build"
    bash scripts/packages.sh
    make -s -j2 PG_CONFIG="$pg_config"
    say "  $(ls pgtsdb.so pgtsdb_scraper.so pgtsdb-gateway | paste -sd' ')"
    step "2. a cluster of its own"
    make_folders
    start_server
    step "3. something to watch, and someone to call"
    start_helpers
    tour
}

stop() {
    if ! find_work; then
        remove_work .demo
        say "the demo does not run"
        return
    fi
    for name in node webhook; do terminate $name; done
    ! server_runs || as_user "$bindir/pg_ctl" -s -D "$work/run/data" -m fast stop
    remove_work .demo
    say "the demo is stopped and $top/.demo removed"
}

case ${1:-start} in
    start) start ;;
    stop) stop ;;
    *) fail "demo.sh start | stop" ;;
esac
