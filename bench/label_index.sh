#!/bin/bash
# label_index.sh: the label index on a table of its own: build and insertion beside GIN on the same labels, what selectors of each
# kind cost, and that random selectors find what a sequential scan finds.
#
#   ROWS=1000000 SELECTORS=10000 bash bench/label_index.sh
#
# Rows have 10 labels: those of a target are the same in 1,000 neighbouring rows, the others vary within them; one has a value for every
# other row.  The scan that selectors are compared with looks at SAMPLE rows, every one of them by itself.
set -eu -o pipefail
. "$(dirname "$0")/server.sh"

rows=${ROWS:-1000000} selectors=${SELECTORS:-10000} sample=${SAMPLE:-20000}

# timed NAME SQL: wall seconds and the server's CPU seconds of a statement.
timed() {
    local before start; before=$(cpu "$postmaster") start=$(date +%s.%N)
    sql "$2" >/dev/null
    awk -v n="$1" -v s="$start" -v e="$(date +%s.%N)" -v b="$before" -v a="$(cpu "$postmaster")" -v t="$ticks" \
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

say
sql "CREATE TABLE s AS SELECT * FROM m WHERE id % greatest($rows / $sample, 1) = 0;
     INSERT INTO s SELECT id, tsdb.labels(tsdb.labels_to_jsonb(labels) - 'zone' - 'mode') FROM s WHERE id % 3 = 0;
     CREATE INDEX ON s USING label_index (labels);
     INSERT INTO s SELECT id, tsdb.labels(tsdb.labels_to_jsonb(labels) - 'job' - 'cpu') FROM s WHERE id % 7 = 0 LIMIT 1000;
     ANALYZE s;
     CREATE FUNCTION random_matcher() RETURNS text VOLATILE LANGUAGE sql AS \$\$
        SELECT format('%s%s\"%s\"', key, (ARRAY['=', '!=', '=~', '!~'])[1 + operator],
                      CASE WHEN operator < 2 THEN CASE WHEN r < 0.1 THEN '' ELSE value END
                      ELSE (ARRAY[value, left(value, 4) || '.*', value || '|', '.*' || right(value, 2), left(value, 3) || '.+', '', '.+',
                                  '[a-m].*', value || '|' || left(value, -1) || '5'])[1 + floor(r * 9)::int] END)
          FROM (SELECT floor(random() * 4)::int AS operator, random() AS r, labels FROM s OFFSET floor(random() * 10000)::int LIMIT 1) o,
               LATERAL (SELECT * FROM jsonb_each_text(tsdb.labels_to_jsonb(labels)) ORDER BY random() LIMIT 1) pair \$\$;
     SELECT setseed(0.25);
     CREATE TABLE selectors AS SELECT n, '{' || (SELECT string_agg(random_matcher(), ',') FROM generate_series(1, 1 + n % 4)) || '}' AS selector
        FROM generate_series(1, $selectors) n;
     CREATE FUNCTION found(selector text, by_index boolean) RETURNS numeric LANGUAGE plpgsql AS \$\$
     DECLARE result numeric;
     BEGIN
        PERFORM set_config('enable_seqscan', (NOT by_index)::text, true), set_config('enable_bitmapscan', by_index::text, true);
        EXECUTE format('SELECT count(*) + coalesce(sum(hashtext(ctid::text)::bigint), 0) FROM s WHERE labels OPERATOR(tsdb.@@) %L', selector) INTO result;
        RETURN result;
     END \$\$" >/dev/null
say "$(sql "SELECT count(*) || ' random selectors (' || count(DISTINCT selector) || ' different, ' || count(*) FILTER (WHERE by_index <> 0) || ' find something) over '
    || (SELECT count(*) FROM s) || ' rows: ' || count(*) FILTER (WHERE by_index IS DISTINCT FROM by_scan) || ' differ from the sequential scan'
    FROM (SELECT selector, found(selector, true) AS by_index, found(selector, false) AS by_scan FROM selectors) f")"
timed "check of the index" "SELECT tsdb.label_index_check('m_label_index')"
