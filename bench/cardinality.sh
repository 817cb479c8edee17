#!/bin/bash
# cardinality.sh: many series at once: what it costs to make them, to write them a second time and to keep them, and how long it takes
# to find out which labels, values and series there are.
#
#   HOSTS=10000 SERIES=100 bash bench/cardinality.sh
#   PEERS='prom=http://127.0.0.1:9090,PID vm=http://127.0.0.1:8428,PID' bash bench/cardinality.sh    peers that run, and are empty
#
# Each server gets two scrapes of the fleet, the second of them a moment before now, and the same questions (label_lookups.py).
set -eu -o pipefail
. "$(dirname "$0")/server.sh"

hosts=${HOSTS:-10000} series=${SERIES:-100} interval=15000
start=$(($(date +%s) / 15 * interval - interval))

# load NAME PID OPTION...: a scrape, and the server's CPU for each of its series.
load() {
    local name=$1 pid=$2 before output
    shift 2
    before=$(cpu "$pid")
    output=$("$top/bench/fleet" --hosts "$hosts" --series "$series" --interval "$interval" --start "$start" --connections 2 "$@")
    # a backend that has ended is reaped a moment later
    sleep 0.5
    awk -v name="$name" -v n=$((hosts * series)) -v c=$(($(cpu "$pid") - before)) -v t="$ticks" -v o="$output" 'BEGIN {
        printf "%-32s %8.2f us CPU/series   %s\n", name, c / t / n * 1e6, o }'
}

# relation TABLE: bytes of the table and of each of its indexes.
relation() {
    sql "SELECT format('  %-30s %7s bytes per series', relid::regclass, round(pg_table_size(relid) / ($hosts * $series.0), 1)) FROM (
            SELECT '$1'::regclass AS relid UNION ALL SELECT indexrelid FROM pg_index WHERE indrelid = '$1'::regclass) r"
}

start_server "$kept_data"
if [ $made_data = true ]; then
    load "pgtsdb: new series" "$postmaster" --conninfo "" --steps 1
    load "pgtsdb: second scrape" "$postmaster" --conninfo "" --steps 2 --skip 1
    sql "VACUUM (FREEZE, ANALYZE)"
    printf 'start=%s hosts=%s series=%s\n' "$start" "$hosts" "$series" > "$data/fleet"
else
    . "$data/fleet"
fi
relation tsdb.series
peers=()
for peer in ${PEERS:-}; do
    name=${peer%%=*} where=${peer#*=}
    peers+=(--peer "$peer")
    [ $made_data = true ] || continue
    load "$name: new series" "${where#*,}" --url "${where%%,*}/api/v1/write" --steps 1
    load "$name: second scrape" "${where#*,}" --url "${where%%,*}/api/v1/write" --steps 2 --skip 1
done
say
python3 "$top/bench/label_lookups.py" --psql "$bindir/psql" --pid "$postmaster" --end $((start / 1000 + interval / 1000)) --runs "${RUNS:-9}" "${peers[@]}"
