# watch.sh: what the processes and tables of a running server come to.  Sourced behind server.sh: it needs $data and $postmaster.

# kind_of TITLE: what a process of the server does.  Writers have role fleet or come through the gateway, dashboards have role
# dashboard, and the session below has role watch.
kind_of() {
    case $1 in
        'postgres: fleet '*) echo writers ;;
        'postgres: pgtsdb_gateway '*) echo writers ;;
        *pgtsdb-gateway*) echo gateway ;;
        'postgres: dashboard '*) echo queries ;;
        'postgres: watch '*) echo watch ;;
        'postgres: pgtsdb '*) set -- $1; echo "$3" ;;
        'postgres: background writer'*) echo bgwriter ;;
        'postgres: logical replication '*) echo logical ;;
        'postgres: autovacuum '*) echo autovacuum ;;
        'postgres: '*) set -- ${1#postgres: }; echo "$1" ;;
        *) echo postmaster ;;
    esac
}

# server_processes: pids of the server.  Children of the launcher (the gateway) are among them.
server_processes() {
    local pid child
    for pid in $postmaster $(cat "/proc/$postmaster/task/$postmaster/children"); do
        echo "$pid"
        [ "$pid" = "$postmaster" ] || cat "/proc/$pid/task/$pid/children" 2>/dev/null || true
    done
}

# cpu_sample: a line "PID KIND MILLISECONDS" per process; what processes that have ended took is that of "ended".
cpu_sample() {
    local pid title
    for pid in $(server_processes); do
        { IFS= read -r -d '' title < "/proc/$pid/cmdline"; } 2>/dev/null || continue
        # of all its threads
        { cat "/proc/$pid/task/"*/schedstat 2>/dev/null || true; } |
            awk -v pid="$pid" -v kind="$(kind_of "$title")" '{ sum += $1 } END { printf "%d %s %d\n", pid, kind, sum / 1e6 }'
    done
    awk -v t="$ticks" '{ gsub(/\(.*\)/, "x"); print 0, "ended", ($16 + $17) * 1000 / t }' "/proc/$postmaster/stat"
}

# memory_sample: anonymous pages and touched shared memory in MB; a page of several processes counts once.
memory_sample() {
    local pid
    for pid in $(server_processes); do cat "/proc/$pid/smaps_rollup" 2>/dev/null || true; done |
        awk '/^Pss_Anon:/ { anonymous += $2 } /^Pss_Shmem:/ { shared += $2 }
            END { printf "%d %d\n", anonymous / 1024, shared / 1024 }'
}

# watch_tables SECONDS: in one session that stays, so that it costs little.
watch_tables() {
    exec "$bindir/psql" -U watch -XAt -F ' ' -v ON_ERROR_STOP=1 <<SQL
SELECT round(extract(epoch FROM clock_timestamp())), pg_relation_size('tsdb.head'), pg_indexes_size('tsdb.head'),
       h.n_live_tup, h.n_dead_tup, c.heap, c.index, c.dead, round(coalesce(extract(epoch FROM s.compaction_lag), 0)),
       round(coalesce(extract(epoch FROM s.head_newest - s.head_oldest), 0))
  FROM pg_stat_user_tables h, tsdb.stats s,
       (SELECT coalesce(sum(pg_relation_size(t.relid)), 0) AS heap, coalesce(sum(pg_indexes_size(t.relid)), 0) AS index,
               coalesce(sum(u.n_dead_tup), 0) AS dead
          FROM pg_partition_tree('tsdb.chunks') t LEFT JOIN pg_stat_user_tables u USING (relid) WHERE isleaf) c
 WHERE h.relid = 'tsdb.head'::regclass \watch $1
SQL
}

# watch_processes SECONDS
watch_processes() {
    while :; do
        cpu_sample >> "$data/cpu"
        memory_sample >> "$data/memory"
        sleep "$1"
    done
}

# start_watch SECONDS: a sample now and then: $data/cpu, $data/memory and $data/watch.
start_watch() {
    : > "$data/cpu"
    cpu_sample > "$data/cpu.before"
    watch_processes "$1" &
    watchers=$!
    watch_tables "$1" > "$data/watch" &
    watchers+=" $!"
}

stop_watch() {
    # the kind of a process is known as long as it runs
    cpu_sample > "$data/cpu.after"
    kill $watchers 2>/dev/null || true
    wait $watchers 2>/dev/null || true
}

# print_cpu SAMPLES: CPU-seconds by kind of process from start_watch to stop_watch, and per million samples.
print_cpu() {
    awk -v n="$1" '
        FILENAME ~ /before$/ { before[$1] = $3 }
        FILENAME ~ /after$/ { alive[$1] = 1 }
        { last[$1] = $3; kind[$1] = $2 }
        END {
            # the children that the postmaster has reaped, less those that were seen: started and ended between two samples
            short = last[0] - before[0]
            for (pid in last) if (pid != 0) {
                sum[kind[pid]] += last[pid] - before[pid]
                if (!(pid in alive)) short -= last[pid]
            }
            if (short > 0) sum["short-lived"] = short
            for (k in sum) { total += sum[k]; if (k != "queries" && k != "watch") writing += sum[k] }
            printf "CPU-s/M %.3f, without the dashboard queries and the watch %.3f: seconds", total / n * 1000, writing / n * 1000
            for (k in sum) printf " %s=%.1f", k, sum[k] / 1000
            printf "\n" }' "$data/cpu.before" "$data/cpu" "$data/cpu.after"
}

# The columns of $data/watch, as watch_tables has them.
watch_columns="time heap index live dead chunk_heap chunk_index chunk_dead lag age"

print_memory() {
    awk '{ if ($1 > a) a = $1; if ($2 > s) s = $2; sum += $1 } END {
        printf "memory: anonymous pages %d MB at most, %d MB on average; shared %d MB\n", a, sum / NR, s }' "$data/memory"
}

# print_lag SECONDS: beside the length of a window.
print_lag() {
    awk -v w="$1" 'NF >= 10 && $9 > lag { lag = $9 } END { printf "compaction lag: %d s at most, %.2f windows\n", lag, lag / w }' \
        "$data/watch"
}

# print_watch SECONDS: the last sample of each stretch of time, and the largest head and lag in it.
print_watch() {
    awk -v names="$watch_columns" -v width="$1" '
        function flush() {
            if (n > 0) printf "%7d %9.1f %9.1f %9d %9d %9.1f %9.1f %8d %7d %7d\n", last["time"] - first, heap / 1e6,
                last["index"] / 1e6, last["live"], last["dead"], last["chunk_heap"] / 1e6, last["chunk_index"] / 1e6,
                last["chunk_dead"], lag, last["age"]
            n = heap = lag = 0 }
        BEGIN { split(names, name)
            printf "%7s %9s %9s %9s %9s %9s %9s %8s %7s %7s\n", "second", "head MB", "its index", "rows", "dead", "chunks MB",
                "index MB", "dead", "lag s", "age s" }
        NF < 10 { next }
        first == "" { first = $1; stretch = 0 }
        int(($1 - first) / width) != stretch { flush(); stretch = int(($1 - first) / width) }
        { for (i = 1; i <= NF; i++) last[name[i]] = $i
          n++; if (last["heap"] > heap) heap = last["heap"]; if (last["lag"] > lag) lag = last["lag"] }
        END { flush() }' "$data/watch"
}
