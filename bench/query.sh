#!/bin/bash
# query.sh: what the queries of dashboards cost the server, and peers that hold the same samples.
#
# A fresh server of its own (see server.sh) gets a synthetic fleet: HOSTS hosts for HOURS hours, and LATE_HOSTS more that
# appear in the last two, as after a rollout.  Everything is compacted and vacuumed, the server restarted, the queries asked.
#
#   HOSTS=100 LATE_HOSTS=300 HOURS=24 RUNS=12 bash bench/query.sh
#   KEEP=1 bash bench/query.sh; DATA=/tmp/pgtsdb-bench.XXXXXX bash bench/query.sh            the second time without loading
#   LOAD_PEERS=1 PEERS='prom=http://127.0.0.1:9090,PID vm=http://127.0.0.1:8428,PID,nocache=1' bash bench/query.sh
set -eu -o pipefail
. "$(dirname "$0")/server.sh"

hosts=${HOSTS:-100} late_hosts=${LATE_HOSTS:-300} hours=${HOURS:-24} series=${SERIES:-100} interval=15000
# On a whole day, so that the samples lie in as few partitions as their span allows.
start=1699920000000

# load NAME OPTION...: sends the fleet's samples there.
load() {
    local name=$1
    shift
    say "$name: $("$top/bench/fleet" --hosts "$hosts" --late-hosts "$late_hosts" --late-start "$late_start" --series "$series" \
        --steps "$steps" --interval "$interval" --start "$start" --connections 2 "$@")"
}

load_server() {
    load pgtsdb --conninfo ""
    sql 'CALL tsdb.compact()'
    sql 'VACUUM (FREEZE, ANALYZE)'
    printf 'hosts=%s late_hosts=%s hours=%s series=%s\n' "$hosts" "$late_hosts" "$hours" "$series" > "$data/fleet"
}

# Each URL once, although a peer may be asked with several parameters; many samples to a series, which costs least.
load_peers() {
    local peer name url pid loaded=" "
    for peer in ${PEERS:-}; do
        name=${peer%%=*} url=${peer#*=}
        pid=${url#*,} url=${url%%,*}
        [[ $loaded != *" $url "* ]] || continue
        loaded+="$url "
        load "$name" --url "$url/api/v1/write" --run 40 --batch 10000
        settle "${pid%%,*}"
    done
}

# settle PID: waits until the process has been at rest for a few seconds, at most ten minutes.
settle() {
    local before after calm=0
    before=$(cpu "$1")
    for ((i = 0; i < 600 && calm < 4; i++)); do
        sleep 1
        after=$(cpu "$1")
        if ((after - before <= ticks / 20)); then calm=$((calm + 1)); else calm=0; fi
        before=$after
    done
}

start_server "$kept_data"
[ $made_data = true ] || . "$data/fleet"
steps=$((hours * 3600000 / interval))
late_start=$((steps > 7200000 / interval ? steps - 7200000 / interval : 0))
[ $made_data = false ] || load_server
[ "${LOAD_PEERS:-0}" != 1 ] || load_peers
run_server restart

arguments=()
for peer in ${PEERS:-}; do arguments+=(--peer "$peer"); done
[ "${REFRESH:-0}" != 1 ] || arguments+=(--refresh)
[ "${ROWS:-0}" != 1 ] || arguments+=(--rows)
[ -z "${CSV:-}" ] || arguments+=(--csv "$CSV")
[ -z "${ONLY:-}" ] || arguments+=(--only "$ONLY")
say
"$top/bench/query" --pid "$postmaster" --end $((start / 1000 + hours * 3600)) --runs "${RUNS:-12}" --budget "${BUDGET:-6}" \
    "${arguments[@]}"
