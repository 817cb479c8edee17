# server.sh: a server for one measurement; what ingest.sh and query.sh share.  Sourced by bash scripts that set -eu.
#
# It runs from a staged installation of the current build in a folder of its own, on a Unix socket there, and is stopped
# when the script ends.  A new folder (BENCH_DATA names its parent) goes away then, unless KEEP=1.

. "$(dirname "${BASH_SOURCE[0]}")/../scripts/common.sh"
export LC_ALL=C
ticks=$(getconf CLK_TCK)
# Ours to query.sh, but to make a list of files to install.
kept_data=${DATA:-}
unset DATA MAKEFLAGS

# start_server [DATA]: sets $data (the folder), $made_data (whether it is new), $postmaster (the pid) and the environment of libpq.
start_server() {
    make -s -C "$top" PG_CONFIG="$pg_config"
    make -s -C "$top/bench" PG_CONFIG="$pg_config"
    made_data=true
    if [ -n "${1:-}" ]; then
        made_data=false
        data=$(cd "$1" && pwd -P)
        [ -e "$data/run/data/PG_VERSION" ] || fail "$data holds no server of a benchmark"
    else
        data=$(mktemp -d "${BENCH_DATA:-/tmp}/pgtsdb-bench.XXXXXX")
        chmod 755 "$data"
    fi
    trap stop_server EXIT
    stage "$data/stage"
    [ $made_data = false ] || make_cluster
    write_settings
    run_server start
    export PGHOST=$data/run PGUSER=postgres PGDATABASE=postgres
    [ $made_data = false ] || sql 'CREATE EXTENSION pgtsdb'
}

# run_server start | restart
run_server() {
    as_user "$bindir/pg_ctl" -s -w -D "$data/run/data" -l "$data/run/log" -m fast "$1"
    postmaster=$(head -1 "$data/run/data/postmaster.pid")
}

stop_server() {
    if [ $made_data = false ] || [ "${KEEP:-0}" = 1 ]; then
        as_user "$bindir/pg_ctl" -s -D "$data/run/data" -m fast stop || true
        say "kept: DATA=$data"
    else
        as_user "$bindir/pg_ctl" -s -D "$data/run/data" -m immediate stop || true
        rm -rf "$data"
    fi
}

make_cluster() {
    mkdir "$data/run"
    give_to_user "$data/run"
    as_user "$bindir/initdb" -D "$data/run/data" -A trust -U postgres --no-locale -E UTF8 >/dev/null
    echo "include 'bench.conf'" >> "$data/run/data/postgresql.conf"
}

write_settings() {
    cat > "$data/run/data/bench.conf" <<CONF
shared_preload_libraries = 'pgtsdb'
listen_addresses = ''
unix_socket_directories = '$data/run'
shared_buffers = 1GB
max_wal_size = 8GB
min_wal_size = 4GB
checkpoint_timeout = 1h
autovacuum = off
timezone = 'UTC'
${BENCH_CONF:-}
CONF
    give_to_user "$data/run/data/bench.conf"
}

sql() { "$bindir/psql" -XAtq -v ON_ERROR_STOP=1 -c "$1"; }

# cpu PID: CPU of the process and its children in ticks: of each its own, of PID also that of the children it has reaped.
cpu() {
    # processes end while the list is read
    { cat /proc/[0-9]*/stat 2>/dev/null || true; } | awk -v top="$1" '{
        gsub(/\(.*\)/, "x"); own = $14 + $15
        if ($1 == top) sum += own + $16 + $17; else if ($4 == top) sum += own
    } END { print sum + 0 }'
}
