# scale_load.sh: the modes of scale.sh in which the server does its work.

# ---- series ----

run_series() {
    local small_hosts=${SMALL_HOSTS:-$((hosts / 5))} large_hosts=$hosts small
    interval=15000
    later=${STEPS:-10}
    start=$(($(date +%s%3N) - interval * (later + 3)))
    series_round "$small_hosts"
    small=$later_cost
    stop_server
    trap - EXIT
    series_round "$large_hosts"
    awk -v s="$small" -v l="$later_cost" 'BEGIN { printf "later scrapes: %.2f times the cost of the small fleet\n", l / s }'
}

# series_round HOSTS: sets $later_cost.
series_round() {
    hosts=$1 n_series=$(($1 * series))
    start_large_server "pgtsdb.databases = ''"
    say "$n_series series"
    scrape_cost "first scrape" 0 1
    scrape_cost "second scrape" 1 2
    scrape_cost "$later later scrapes" 2 $((later + 2))
    later_cost=$cost
    say "memory: $(memory_sample | sed -E 's/(.*) (.*)/\1 MB anonymous, \2 MB shared/')"
    sql "VACUUM (ANALYZE) tsdb.series"
    print_sizes
    say "catalogue: $(sql "SELECT round((pg_total_relation_size('tsdb.series') + pg_total_relation_size('tsdb.series_groups'))
        / count(*)::numeric, 1) FROM tsdb.series") B/series"
    print_lookups
}

# scrape_cost NAME FROM UNTIL: sets $cost, in CPU-s/M; new connections are in it.
scrape_cost() {
    local cpu0 wal0 output
    wal0=$(wal_position)
    cpu0=$(total_cpu)
    output=$(fleet --steps "$3" --skip "$2")
    sleep 0.5
    cost=$(awk -v c=$(($(total_cpu) - cpu0)) -v n=$((n_series * ($3 - $2))) 'BEGIN { printf "%.3f", c * 1e3 / n }')
    awk -v name="$1" -v c="$cost" -v w=$(($(wal_position) - wal0)) -v n=$((n_series * ($3 - $2))) -v o="$output" 'BEGIN {
        printf "%-18s %7s CPU-s/M %7.2f WAL B/sample   %s\n", name, c, w / n, o }'
}

wal_position() { sql "SELECT pg_current_wal_insert_lsn() - '0/0'"; }

# total_cpu: milliseconds.
total_cpu() { cpu_sample | awk '{ sum += $3 } END { printf "%d\n", sum }'; }

# print_lookups: milliseconds on a new connection, and the best of four further runs.
print_lookups() {
    local at="to_timestamp($((start + interval * (later + 2))) / 1000.0)" query
    say "lookups: first and best milliseconds, bytes of the answer"
    for query in "tsdb.api_labels()" "tsdb.api_label_values('__name__')" "tsdb.api_label_values('cluster')" \
        "tsdb.api_label_values('instance')" \
        "tsdb.api_label_values('mode', ARRAY['node_cpu_seconds_total{cluster=\"cluster-1\"}'])" \
        "tsdb.api_series(ARRAY['node_load1{instance=~\"host-00001.*\"}'])" \
        "tsdb.api_series(ARRAY['{__name__=~\"node_(load|memory).*\",instance=~\"host-00001[0-9].*\"}'])" \
        "tsdb.api_series(ARRAY['{instance=~\".*-000(17|42)[.].*\"}'])" \
        "tsdb.api_query('node_load1{instance=\"host-000007.ap-south-1.example.net:9100\"}', $at)" \
        "tsdb.api_query('count(node_load1)', $at)" \
        "tsdb.api_query('sum by (mode) (node_cpu_seconds_total)', $at)"; do
        printf '  %9s %9s %9s  %s\n' $(lookup_times "$query") "${query%, to_timestamp*}"
    done
}

lookup_times() {
    { echo '\timing on'; for _ in 1 2 3 4 5; do echo "SELECT length($1::text);"; done; } |
        "$bindir/psql" -XAtq -v ON_ERROR_STOP=1 | awk '
        /^Time:/ { if (first == "") first = $2; else if (best == "" || $2 < best) best = $2; next }
        { bytes = $1 }
        END { print first, best, bytes }'
}

# ---- steady and bloat: a fleet at a pace ----

# first_scrape: step 0, which makes the series.
first_scrape() {
    began=$(date +%s.%N)
    say "first scrape: $(fleet --steps 1)"
}

# next_step SPEED: the first step that is still to come, with some seconds to build the fleet; never the second one.
next_step() {
    awk -v now="$(date +%s.%N)" -v b="$began" -v i="$interval" -v x="$1" -v n="$n_series" 'BEGIN {
        s = (now + 3 + n / 2e5 - b) * x * 1000 / i; printf "%d\n", (s > 1 ? s + 1 : 2) }'
}

# run_at_pace SPEED STEPS: the fleet, queries and a watch for so many steps.
run_at_pace() {
    local skip; skip=$(next_step "$1")
    local wal0; wal0=$(wal_position)
    start_watch "${EVERY:-5}"
    PGUSER=dashboard "$top/bench/live" --start "$start" --began "$began" --speed "$1" --seconds 100000 \
        --every "${QUERY_EVERY:-1000}" ${ONLY:+--only "$ONLY"} > "$data/live" &
    local dashboards=$!
    fleet --speed "$1" --began "$began" --skip "$skip" --steps $((skip + $2)) --retry > "$data/fleet.out"
    kill "$dashboards"
    wait "$dashboards" || true
    stop_watch
    report_pace "$wal0"
}

report_pace() {
    local n; n=$(sed -nE 's/^samples=([0-9]+).*/\1/p' "$data/fleet.out")
    say "writing:  $(cat "$data/fleet.out")"
    say "queries:  $(grep '^all' "$data/live")"
    grep -v '^all' "$data/live" | sort -t= -k4 -rn | awk '/errors=[1-9]/ || NR <= 5 { print "  " $0 }'
    print_cpu "$n"
    awk -v w=$(($(wal_position) - $1)) -v n="$n" 'BEGIN { printf "WAL %.2f B/sample\n", w / n }'
    print_memory
    print_lag $((window * 60))
    print_watch "$report_every"
    sql "SELECT concat_ws(' ', worker || ':', units_done, 'units,', errors, 'errors', last_error) FROM tsdb.worker_status
          WHERE worker = 'compactor'"
    print_log "$data/run/log"
    print_sizes
}

run_steady() {
    local rate=${RATE:-$((n_series / 10))} minutes=${MINUTES:-2} window=${WINDOW:-10}
    interval=$((n_series * 1000 / rate))
    start_large_server "pgtsdb.compaction_window = ${window}min
pgtsdb.compaction_delay = ${DELAY:-60}s"
    start=$(date +%s%3N)
    [ "${HTTP:-0}" != 1 ] || write_through_gateway
    say "$n_series series, one scrape in $interval ms for $minutes minutes, windows of $window minutes"
    first_scrape
    report_every=$((minutes > 10 ? 60 : 15))
    run_at_pace 1 $((minutes * 60000 / interval))
}

# Windows close by the clock of the samples: how long the compactor waits for them is moved along with it.
run_bloat() {
    local cycles=${CYCLES:-10} speed=${SPEED:-60} window=${WINDOW:-30}
    interval=${INTERVAL:-15000}
    start_large_server "pgtsdb.compaction_window = ${window}min
pgtsdb.compaction_interval = $((60000 / speed))ms
pgtsdb.compaction_delay = 7d
autovacuum_naptime = 1s"
    start=$((($(date +%s) / 86400 - 2) * 86400000))
    began=$(date +%s.%N)
    move_border "$speed" &
    local mover=$!
    first_scrape
    report_every=$((window * 60 / speed))
    say "$n_series series, a window of $window minutes in $report_every seconds"
    run_at_pace "$speed" $(((cycles * window + 10) * 60000 / interval))
    kill "$mover"
}

# move_border SPEED: the newest window that is closed is that of five minutes ago, on the clock of the samples.  Not every second: with
# each reload the launcher of autovacuum plans anew, and begins its nap again.
move_border() {
    exec "$bindir/psql" -U watch -XAtq < <(while sleep 5; do
        printf "ALTER SYSTEM SET pgtsdb.compaction_delay = '%ds';\nSELECT pg_reload_conf() \\g /dev/null\n" "$(border_delay "$1")"
    done)
}

border_delay() {
    awk -v now="$(date +%s.%N)" -v b="$began" -v s="$start" -v x="$1" 'BEGIN {
        printf "%d\n", now - (s / 1000 + (now - b) * x) + 300 }'
}
