#!/bin/bash
# scale.sh MODE: what a million series cost the server, and what becomes of them.
#
#   series     the first scrape, which makes the series, and the next ones, of a small fleet and of a large one; catalogue, lookups
#   steady     RATE samples a second for MINUTES, at the real time, with the compactor and dashboard queries running
#   bloat      CYCLES windows of compaction, with a clock that is SPEED times faster
#   crash      kill -9 of all processes ROUNDS times while samples are written; then every sample is looked for
#   standby    kill -9 of the primary while samples are written; the synchronous standby is promoted; every sample is looked for
#
#   HOSTS=10000 SERIES=100 RATE=100000 MINUTES=30 bash bench/scale.sh steady
#
# A fresh server of its own each time (see server.sh).  README.md has the settings and how to read the figures.
set -eu -o pipefail
. "$(dirname "$0")/server.sh"
. "$top/bench/watch.sh"
. "$top/bench/scale_load.sh"
. "$top/bench/scale_crash.sh"

hosts=${HOSTS:-1000} series=${SERIES:-100} connections=${CONNECTIONS:-4} batch=${BATCH:-2000}
n_series=$((hosts * series))
more_conf=${BENCH_CONF:-}

# fleet OPTION...: step 0 of it is at $start (milliseconds of its samples) and $began (seconds on the clock).
# With instead=exec before it, in the background, $! is the program itself.
fleet() {
    PGUSER=fleet ${instead:-} "$top/bench/fleet" --conninfo "${writers_conninfo:-}" ${writers_url:+--url "$writers_url"} \
        --hosts "$hosts" --series "$series" --interval "$interval" --start "$start" \
        --connections "$connections" --batch "$batch" "$@"
}

# start_large_server SETTINGS: with room for all series.
start_large_server() {
    BENCH_CONF="pgtsdb.max_series = $((n_series > 250000 ? n_series : 250000))
log_line_prefix = '%n %p %b '
autovacuum = on
checkpoint_timeout = 5min
$1
$more_conf"
    start_server ""
    trap stop_all EXIT
    sql "CREATE ROLE fleet SUPERUSER LOGIN; CREATE ROLE dashboard SUPERUSER LOGIN; CREATE ROLE watch SUPERUSER LOGIN"
}

# stop_all: what runs beside the server, then the server; it may have been killed.
stop_all() {
    kill $(jobs -p) 2>/dev/null || true
    [ ! -d "$data/standby" ] || as_user "$bindir/pg_ctl" -s -D "$data/standby/data" -m immediate stop || true
    stop_server 2>/dev/null
}

# write_through_gateway: from now on the fleet does, which the launcher starts.
write_through_gateway() {
    local address=127.0.0.1:${HTTP_PORT:-29090}
    sql "CREATE ROLE pgtsdb_gateway LOGIN; CREATE ROLE agent; GRANT agent TO pgtsdb_gateway;
         INSERT INTO tsdb.tenant_members (role_name, tenant_id, may_write) VALUES ('agent', 'default', true);
         GRANT EXECUTE ON FUNCTION tsdb.remote_write TO agent"
    sql "ALTER SYSTEM SET pgtsdb.http_listen = '$address'"
    sql "ALTER SYSTEM SET pgtsdb.http_anonymous_role = 'agent'"
    sql "SELECT pg_reload_conf()" >/dev/null
    writers_url=http://$address/api/v1/write
    until (exec 3<>"/dev/tcp/${address%:*}/${address#*:}") 2>/dev/null; do sleep 0.1; done
}

# print_log LOG...: what the server had to say that is no routine, the most frequent first.
print_log() {
    local routine='terminating (connection|background worker|walreceiver)|starting up|not yet accepting connections'
    { grep -ahE 'WARNING|ERROR|FATAL|PANIC' "$@" || true; } | { grep -avE "$routine" || true; } |
        sed -E 's/^[0-9. ]+[a-z ]* //; s/[0-9]+/N/g' | sort | uniq -c | sort -rn | head -8
}

print_sizes() {
    sql "SELECT format('%-34s %s MB', relation, round(bytes / 1e6, 1)) FROM (
             SELECT c.relname AS relation, pg_relation_size(c.oid) AS bytes
               FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
              WHERE nspname = 'tsdb' AND relkind IN ('r', 'i')
             UNION ALL
             SELECT 'shared memory: ' || name, allocated_size FROM pg_shmem_allocations WHERE name LIKE 'pgtsdb%') s
          WHERE bytes >= 1e5 ORDER BY bytes DESC"
}

case ${1:-} in
    series | steady | bloat | crash | standby) "run_$1" ;;
    *) sed -n '2,/^set/{/^set/!s/^# \{0,1\}//p}' "$0"; exit 1 ;;
esac
