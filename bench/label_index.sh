#!/bin/bash
# label_index.sh: the label index on a table of its own: build and insertion beside GIN on the same labels, what selectors of each
# kind cost, and that random selectors find what a plain implementation outside the server finds (label_reference.py).
#
#   ROWS=1000000 SELECTORS=10000 bash bench/label_index.sh
#   COMPARE=only ...    the last: neither GIN nor times
#
# Rows have 10 labels: those of a target are the same in 1,000 neighbouring rows, the others vary within them; one has a value for every
# other row.  Ends with status 1 when a selector finds anything else than it must.
set -eu -o pipefail
. "$(dirname "$0")/server.sh"

rows=${ROWS:-1000000} selectors=${SELECTORS:-10000}

# timed NAME SQL: wall seconds and the server's CPU seconds of a statement.
timed() {
    local before start end; before=$(cpu "$postmaster") start=$(date +%s.%N)
    sql "$2" >/dev/null
    end=$(date +%s.%N)
    # a backend that has ended is reaped a moment later
    sleep 0.3
    awk -v n="$1" -v s="$start" -v e="$end" -v b="$before" -v a="$(cpu "$postmaster")" -v t="$ticks" \
        'BEGIN { printf "%-46s %8.2f s wall %8.2f s CPU\n", n, e - s, (a - b) / t }'
}

bytes_per_row() { say "  $(sql "SELECT round(pg_relation_size('$1') / $2.0, 1)") bytes of $1 per row"; }

wal_position() { sql "SELECT pg_current_wal_insert_lsn() - '0/0'"; }

BENCH_CONF="${BENCH_CONF:-}
maintenance_work_mem = 256MB"
start_server ""
sql "CREATE FUNCTION labels_of(i int) RETURNS tsdb.labels IMMUTABLE LANGUAGE sql AS \$\$ SELECT tsdb.labels(jsonb_build_object(
        '__name__', 'metric_' || (i::bigint * 7919 % 1000) % 400 || '_total', 'job', 'job-' || i / 100000,
        'instance', 'host-' || lpad((i / 1000)::text, 5, '0') || '.example.com:9100', 'env', (ARRAY['prod', 'prod', 'dev', 'test'])[1 + (i / 1000) % 4],
        'region', 'eu-' || (i / 1000) % 4, 'zone', 'z' || (i / 1000) % 12, 'mode', (ARRAY['user', 'system', 'idle', 'iowait'])[1 + i % 4],
        'cpu', (i % 64)::text, 'team', 'team-' || (i / 1000) % 37, 'id', md5((i / 2)::text))) \$\$;
     CREATE TABLE m (id int, labels tsdb.labels);
     INSERT INTO m SELECT i, labels_of(i) FROM generate_series(0, $rows - 1) i"
sql "VACUUM ANALYZE m"
bytes_per_row m "$rows"

measure() {
    timed "build label_index" "CREATE INDEX m_label_index ON m USING label_index (labels)"
    bytes_per_row m_label_index "$rows"
    timed "build GIN jsonb_path_ops" "CREATE INDEX m_gin ON m USING gin (tsdb.labels_to_jsonb(labels) jsonb_path_ops)"
    bytes_per_row m_gin "$rows"
    sql "DROP INDEX m_gin"

    inserted=$((rows / 5))
    for index in none "label_index (labels)" "gin (tsdb.labels_to_jsonb(labels) jsonb_path_ops)"; do
        sql "SET client_min_messages = warning; DROP TABLE IF EXISTS i; CREATE TABLE i (LIKE m)"
        [ "$index" = none ] || sql "CREATE INDEX i_index ON i USING $index"
        before=$(wal_position)
        timed "insert $inserted rows, ${index%% *}" "INSERT INTO i SELECT * FROM m LIMIT $inserted"
        say "  $(($(wal_position) - before)) bytes of WAL: $((($(wal_position) - before) / inserted)) per row"
        [ "$index" = none ] || timed "  and vacuum" "VACUUM i"
        [ "$index" = none ] || bytes_per_row i_index "$inserted"
    done

    # The rows are counted by the index scan alone: what fetching them costs is not the index's.
    say
    say "one selector, milliseconds of the index scan (best of 5):"
    for selector in '{instance="host-00123.example.com:9100"}' '{__name__="metric_17_total"}' '{__name__="metric_17_total",mode="user",zone="z3"}' \
        '{id="c4ca4238a0b923820dcc509a6f75849b"}' '{cpu=~"1|2|3"}' '{instance=~"host-0012.*"}' '{instance=~".*-0012[0-4][.].*"}' '{id=~".*ab12"}' \
        '{__name__="metric_17_total",env!="dev"}' '{env!="prod"}' '{instance!~"host-00.*"}' '{absent=""}' '{zone=""}' '{__name__!=""}'; do
        best=$(for _ in 1 2 3 4 5; do
            sql "SET enable_seqscan = off; EXPLAIN (ANALYZE, COSTS OFF, TIMING ON) SELECT FROM m WHERE labels OPERATOR(tsdb.@@) '$selector'" |
                sed -n 's/.*Bitmap Index Scan.*actual time=[0-9.]*\.\.\([0-9.]*\) rows=\([0-9.]*\).*/\1 \2/p'; done | sort -n | head -1)
        printf '  %-60s %9s ms %9s rows\n' "$selector" $best
    done
}
[ "${COMPARE:-}" = only ] || measure

# ---- what random selectors find ----
#
# Rows of all kinds, in all the ways in which they get into an index and out of it: three quarters are there when it is built, the others
# come row by row; some are deleted or changed before VACUUM and some after it, and some wait in the list of pending rows.
say
sql "CREATE TABLE s (id int, weight int, labels tsdb.labels) WITH (autovacuum_enabled = off);
     SELECT setseed(0.25);
     CREATE FUNCTION variant(id int, labels tsdb.labels) RETURNS tsdb.labels IMMUTABLE LANGUAGE sql AS \$\$ SELECT CASE
        WHEN id % 1000 = 0 THEN NULL WHEN id % 1000 = 1 THEN '{}' WHEN id % 3 = 0 THEN tsdb.labels(tsdb.labels_to_jsonb(labels) - 'zone' - 'mode')
        WHEN id % 7 = 0 THEN tsdb.labels(tsdb.labels_to_jsonb(labels) - 'job' - 'cpu' || '{\"städte\": \"Zürich\", \"odd\": \"a|b.*\"}')
        WHEN id % 1000 = 5 THEN tsdb.labels(tsdb.labels_to_jsonb(labels) || jsonb_build_object('long', repeat('long.', 100 + id / 1000 % 9) || id / 9000 % 9))
        ELSE labels END \$\$;
     INSERT INTO s SELECT id, floor(random() * 2147483647), variant(id, labels) FROM m WHERE id % 4 <> 3;
     CREATE INDEX s_labels ON s USING label_index (labels);
     DROP TABLE IF EXISTS i" >/dev/null
timed "insert a quarter more" "INSERT INTO s SELECT id, floor(random() * 2147483647), variant(id, labels) FROM m WHERE id % 4 = 3 AND id < $rows * 0.998"
sql "DELETE FROM s WHERE id % 53 = 0; UPDATE s SET labels = variant(id + 1, labels) WHERE id % 59 = 0; UPDATE s SET weight = weight / 2 WHERE id % 61 = 0"
timed "vacuum" "VACUUM s"
sql "DELETE FROM s WHERE id % 67 = 0; UPDATE s SET labels = variant(id + 2, labels) WHERE id % 7001 = 0"
# fewer than make the list of pending rows move
sql "INSERT INTO s SELECT id, floor(random() * 2147483647), variant(id, labels) FROM m WHERE id % 4 = 3 AND id >= $rows * 0.998 LIMIT 500;
     ANALYZE s"
sql "COPY (SELECT id, weight, tsdb.labels_to_jsonb(labels) FROM s) TO STDOUT" > "$data/rows"
python3 "$top/bench/label_reference.py" "$data/rows" "$selectors" s "$data"
for session in 1 2; do
    PGOPTIONS="-c enable_seqscan=off -c work_mem=256MB -c max_parallel_workers_per_gather=0" \
        "$bindir/psql" -XAtq -v ON_ERROR_STOP=1 -f "$data/$session.sql" > "$data/found.$session" &
done
wait -n; wait -n
sort -n "$data"/found.? > "$data/found"
differences=$(diff <(cat "$data/expected") "$data/found" | grep -c '^[<>]' || true)
say "$(grep -c . "$data/found") selectors over $(grep -c . "$data/rows") rows, $(awk -F'|' '$2 > 0' "$data/expected" | grep -c .) find something: $differences lines differ"
if [ "$differences" != 0 ]; then
    diff "$data/expected" "$data/found" | sed -n 's/^[<>] \([0-9]*\)|.*/\1/p' | sort -nu | head -20 | while read -r n; do
        grep -h "SELECT $n," "$data"/?.sql; done
fi
timed "check of the index" "SELECT tsdb.label_index_check('s_labels')"
[ "$differences" = 0 ]
