# scale_crash.sh: the modes of scale.sh in which the server is killed.
#
# The fleet sends a request until it is acknowledged, and none again after that; so in the end the server must hold exactly
# what the fleet walked through.  Windows are short, so that the compactor is at work when it is killed.

crash_settings="pgtsdb.compaction_window = 2min
pgtsdb.compaction_merge_window = 4min
pgtsdb.compaction_delay = 5s
pgtsdb.compaction_interval = 2s"

# start_fleet: in the background, until stop_fleet.
start_fleet() {
    local skip; skip=$(next_step 1)
    instead=exec fleet --speed 1 --began "$began" --skip "$skip" --steps 1000000 --retry --log "$data/fleet.log" \
        > "$data/fleet.out" 2> "$data/fleet.err" &
    fleet_pid=$!
}

stop_fleet() {
    kill -TERM "$fleet_pid"
    wait "$fleet_pid"
    say "writing: $(tail -1 "$data/fleet.out")"
}

# kill_all: the postmaster and all its children at the same moment, as when the power fails, but for the disk's cache.
kill_all() {
    killed_at=$(date +%s.%N)
    kill -9 $(server_processes) 2>/dev/null || true
    while kill -0 "$postmaster" 2>/dev/null; do sleep 0.02; done
}

# first_answer SOCKET_FOLDER: when a query of one series was answered.
first_answer() {
    local query="SELECT tsdb.api_query('node_load1{instance=\"host-000007.ap-south-1.example.net:9100\"}')"
    until PGHOST=$1 sql "$query" 2>/dev/null | grep -q '"status":"success"'; do sleep 0.02; done
    date +%s.%N
}

# of_all_senders LINE FIELD N: the latest time in the N-th such line of each sender.  Waits for them, two minutes at most.
of_all_senders() {
    local wanted=$(($3 * connections)) try
    for ((try = 0; try < 600; try++)); do
        kill -0 "$fleet_pid" || fail "the fleet gave up: $(cat "$data/fleet.err")"
        [ "$(grep -c "^$1" "$data/fleet.out")" -lt "$wanted" ] || break
        sleep 0.2
    done
    [ "$try" -lt 600 ] || { echo inf; return; }
    grep "^$1" "$data/fleet.out" | sed -n "$((wanted - connections + 1)),${wanted}s/.* $2=\([0-9.]*\).*/\1/p" | sort -n | tail -1
}

# ready_at LOG: when the server said that it takes connections, by its own clock.
ready_at() { grep -a 'database system is ready to accept connections' "$1" | tail -1 | cut -d' ' -f1; }

# print_round NAME N READY ANSWER: what the N-th outage was like; waits until the writers are where they should be by the clock.
print_round() {
    awk -v name="$1" -v k="$killed_at" -v r="$3" -v a="$4" -v w="$(of_all_senders outage until "$2")" \
        -v u="$(of_all_senders caught_up at "$2")" 'BEGIN {
        printf "%s: ready %.2f s after the kill; then first answer %.2f s, all writers %.2f s, caught up %.2f s\n",
            name, r - k, a - r, w - r, u - r }'
}

run_crash() {
    local rounds=${ROUNDS:-3} round answer
    interval=${INTERVAL:-10000}
    start_large_server "$crash_settings"
    start=$(date +%s%3N)
    first_scrape
    start_fleet
    for ((round = 1; round <= rounds; round++)); do
        sleep $((5 + RANDOM % ${PAUSE:-10}))
        kill_all
        as_user "$bindir/pg_ctl" -s -W -D "$data/run/data" -l "$data/run/log" start 2>/dev/null
        answer=$(first_answer "$data/run")
        postmaster=$(head -1 "$data/run/data/postmaster.pid")
        print_round "round $round" "$round" "$(ready_at "$data/run/log")" "$answer"
    done
    grep -a 'redo done' "$data/run/log" | tail -n "$rounds" | sed -E 's/.*elapsed: /redo: /' | sort | tail -1
    finish_crash
}

# What has been acknowledged must be there, in head and chunks as they are, and when all of it is compacted.
finish_crash() {
    sleep "${AFTER:-5}"
    stop_fleet
    check_samples
    sql "CALL tsdb.compact(true)"
    say "all compacted: $(sql 'SELECT count(*) FROM tsdb.head') rows of head are left"
    check_samples
    print_log "$@" "$data/run/log"
}

check_samples() {
    fleet --check "$data/fleet.log" --check-hosts "${CHECK_HOSTS:-100}" || say "SAMPLES DIFFER"
}

run_standby() {
    local answer
    interval=${INTERVAL:-10000}
    start_large_server "$crash_settings"
    standby=$data/standby
    start=$(date +%s%3N)
    writers_conninfo="host=$data/run,$standby target_session_attrs=read-write"
    first_scrape
    start_standby "$standby"
    start_fleet
    sleep "${SECONDS_BEFORE:-30}"
    sql "SELECT format('standby: %s, %s bytes behind', sync_state, pg_current_wal_lsn() - replay_lsn) FROM pg_stat_replication"
    say "query on the standby: $(PGHOST=$standby sql "SELECT value FROM tsdb.promql('count(node_load1)')") hosts"
    kill_all
    promoted_at=$(date +%s.%N)
    as_user "$bindir/pg_ctl" -s -w -D "$standby/data" promote
    answer=$(first_answer "$standby")
    print_round "promoted" 1 "$promoted_at" "$answer"
    postmaster=$(head -1 "$standby/data/postmaster.pid")
    export PGHOST=$standby
    finish_crash "$standby/log"
}

# start_standby FOLDER: a synchronous one, of the server that runs.  The end of the script stops it.
start_standby() {
    mkdir "$1"
    give_to_user "$1"
    as_user "$bindir/pg_basebackup" -h "$data/run" -U postgres -D "$1/data" -R -c fast
    as_user sed -i "s|^unix_socket_directories.*|unix_socket_directories = '$1'|" "$1/data/bench.conf"
    as_user "$bindir/pg_ctl" -s -w -D "$1/data" -l "$1/log" start
    sql "ALTER SYSTEM SET synchronous_standby_names = '*'"
    sql "SELECT pg_reload_conf()" >/dev/null
    while [ "$(sql 'SELECT count(*) FROM pg_stat_replication WHERE sync_state = $$sync$$')" != 1 ]; do sleep 0.2; done
}
