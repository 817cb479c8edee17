#!/bin/bash
# ingest.sh: what it costs the server to take and to keep the samples of a synthetic fleet.
#
# A fresh server of its own, in a temporary folder (BENCH_DATA names its parent); fleet writes the first scrape, which makes
# the series, then the others; then everything is compacted, the tables are vacuumed and measured.  CPU is user and system
# time of the server's whole process tree, ended backends included; the generator is not in it.
#
#   HOSTS=2000 SERIES=100 STEPS=60 INTERVAL=15000 CONNECTIONS=2 bash bench/ingest.sh
set -eu -o pipefail
. "$(dirname "$0")/server.sh"

hosts=${HOSTS:-2000} series=${SERIES:-100} steps=${STEPS:-60} interval=${INTERVAL:-15000} connections=${CONNECTIONS:-2}
batch=${BATCH:-2000}
# On a whole day, so that the samples lie in as few partitions as their span allows.
start=${START:-1699920000000}

# Phase by phase: the compactor would work in any of them.
BENCH_CONF="pgtsdb.databases = ''
${BENCH_CONF:-}"
start_server

# phase NAME SAMPLES COMMAND...: runs it and prints CPU and WAL; SAMPLES 0 takes the number that the command reports.
phase() {
    local name=$1 samples=$2 output cpu0 wal0 cpu1 wal1
    shift 2
    sql CHECKPOINT
    cpu0=$(cpu "$postmaster") wal0=$(sql "SELECT pg_current_wal_insert_lsn() - '0/0'")
    output=$("$@")
    # a backend that has ended is reaped a moment later
    sleep 0.5
    cpu1=$(cpu "$postmaster") wal1=$(sql "SELECT pg_current_wal_insert_lsn() - '0/0'")
    [ "$samples" != 0 ] || samples=$(sed -nE 's/^samples=([0-9]+).*/\1/p' <<<"$output")
    awk -v name="$name" -v n="$samples" -v c=$(((cpu1 - cpu0))) -v t="$ticks" -v w=$((wal1 - wal0)) -v o="$output" 'BEGIN {
        printf "%-28s %12d samples %8.3f CPU-s/M %8.2f WAL B/sample   %s\n", name, n, c / t / n * 1e6, w / n, o }'
}

fleet() { "$top/bench/fleet" --conninfo "" --hosts "$hosts" --series "$series" --interval "$interval" --start "$start" \
    --connections "$connections" --batch "$batch" "$@"; }

total=$((hosts * series * steps))
phase "first scrape (new series)" 0 fleet --steps 1
head_size="SELECT pg_total_relation_size('tsdb.head')"
phase "steady state" 0 fleet --steps "$steps" --skip 1
head_bytes=$(sql "$head_size")
phase "compaction" $total sql "CALL tsdb.compact(${COMPACT_ARGUMENTS:-})"
phase "vacuum" $total sql "VACUUM (FREEZE) tsdb.head, tsdb.chunks, tsdb.series, tsdb.series_groups"

leaves="FROM pg_partition_tree('tsdb.chunks') WHERE isleaf"
chunk_heap=$(sql "SELECT coalesce(sum(pg_table_size(relid)), 0) $leaves")
chunk_index=$(sql "SELECT coalesce(sum(pg_indexes_size(relid)), 0) $leaves")
left=$(sql "SELECT count(*) FROM tsdb.head")
catalogue=$(sql "SELECT pg_total_relation_size('tsdb.series') + pg_total_relation_size('tsdb.series_groups')")
n_series=$(sql "SELECT count(*) FROM tsdb.series")
awk -v n=$total -v h="$head_bytes" -v ch="$chunk_heap" -v ci="$chunk_index" -v cat="$catalogue" -v s="$n_series" -v l="$left" 'BEGIN {
    printf "\nhead before compaction       %8.2f B/sample\n", h / n
    printf "chunks                       %8.3f B/sample (heap %.3f, index %.3f); %d head rows left\n", (ch + ci) / n, ch / n, ci / n, l
    printf "catalogue                    %8.1f B/series (%d series)\n", cat / s, s }'
