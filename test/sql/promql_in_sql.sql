-- PromQL as one table among others: in every place where SQL takes a set-returning function, and as the planner sees it.
SET timezone = 'UTC';
SET datestyle = 'ISO';
SELECT count(*) FROM (
    SELECT tsdb.push_text(string_agg(format(E'ps_cpu_total{host="h%s",mode="%s"} %s\n', host, mode, i * (host + 1)), ''),
                          '{"job":"node"}', timestamptz '2026-02-01 00:00:00Z' + i * interval '15 s')
      FROM generate_series(0, 40) i, generate_series(0, 9) host, unnest('{idle,user,system,nice}'::text[]) mode
     GROUP BY i) pushed;

CREATE TABLE ps_host (host text PRIMARY KEY, owner text, seen timestamptz);
INSERT INTO ps_host SELECT 'h' || i, CASE WHEN i % 2 = 0 THEN 'red' ELSE 'blue' END, timestamptz '2026-02-01 00:05:00Z' + i * interval '1 s'
  FROM generate_series(0, 4999) i;
ANALYZE ps_host;

-- ---- what the planner expects ----

CREATE FUNCTION ps_rows(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    plan json;
BEGIN
    EXECUTE 'EXPLAIN (FORMAT JSON) ' || query INTO plan;
    RETURN plan->0->'Plan'->>'Plan Rows';
END
$$;
-- Does the first cost more than the second?
CREATE FUNCTION ps_costs_more(a text, b text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    plan_a json;
    plan_b json;
BEGIN
    EXECUTE 'EXPLAIN (FORMAT JSON) ' || a INTO plan_a;
    EXECUTE 'EXPLAIN (FORMAT JSON) ' || b INTO plan_b;
    RETURN (plan_a->0->'Plan'->>'Total Cost')::float8 > (plan_b->0->'Plan'->>'Total Cost')::float8;
END
$$;

-- Series times steps.
SELECT query, ps_rows(format($q$SELECT * FROM tsdb.promql(%L, '2026-02-01 00:05')$q$, query)) AS one_step,
       ps_rows(format($q$SELECT * FROM tsdb.promql(%L, '2026-02-01 00:05', '2026-02-01 00:06:39', '1s')$q$, query)) AS hundred_steps
  FROM unnest(ARRAY[
    'ps_cpu_total', 'ps_cpu_total{mode="user"}', 'ps_cpu_total{mode=~"user|nice"}', 'ps_cpu_total{mode=~"us.*",host!="h1"}',
    '{__name__=~"ps_cpu_total|ps_none"}', 'ps_none', 'rate(ps_cpu_total[1m])', '-(ps_cpu_total)', 'sum(ps_cpu_total)',
    'sum by (mode) (ps_cpu_total)', 'sum by (mode, host) (ps_cpu_total)', 'max without (mode) (ps_cpu_total)',
    'topk(3, ps_cpu_total)', 'topk by (mode) (1, ps_cpu_total)', 'bottomk(0, ps_cpu_total)', 'topk(Inf, ps_none)', 'limit_ratio(0.5, ps_cpu_total)',
    'count_values("v", ps_cpu_total)', 'quantile(0.5, ps_cpu_total)', 'ps_cpu_total > 5', 'ps_cpu_total > bool 5', '2 * ps_cpu_total',
    'ps_cpu_total / on (host) group_left sum by (host) (ps_cpu_total)', 'sum(ps_cpu_total) / on () group_right ps_cpu_total',
    'ps_cpu_total or ps_cpu_total', 'ps_cpu_total and ps_none', 'ps_cpu_total + fill(0) ps_none', 'absent(ps_cpu_total)', 'scalar(ps_cpu_total)',
    'vector(1)', 'time()', '1 + 2', 'hour()', 'histogram_quantile(0.9, ps_cpu_total)', 'label_replace(ps_cpu_total, "a", "b", "c", "d")',
    'avg_over_time(sum(ps_cpu_total)[5m:30s])']) AS query;
-- What a range vector holds comes out of an instant query: as many points as its range has scrapes, or steps.
SELECT ps_rows($q$SELECT * FROM tsdb.promql('ps_cpu_total[10m]')$q$) AS range,
       ps_rows($q$SELECT * FROM tsdb.promql('sum(ps_cpu_total)[10m:30s]')$q$) AS subquery,
       ps_rows($q$SELECT * FROM tsdb.promql('sum(ps_cpu_total)[step() + 10m:]')$q$) AS default_step,
       ps_rows($q$SELECT * FROM tsdb.samples('ps_cpu_total', '2026-02-01', '2026-02-01 01:00')$q$) AS samples,
       ps_rows($q$SELECT * FROM tsdb.samples('ps_cpu_total', '-infinity', 'infinity')$q$) AS all_samples;
-- A query is no dearer than what it reads: a wide selector, a long range and many steps all count.
SELECT ps_costs_more($q$SELECT * FROM tsdb.promql('sum(ps_cpu_total)')$q$, $q$SELECT * FROM tsdb.promql('sum(ps_cpu_total{mode="user"})')$q$) AS wide,
       ps_costs_more($q$SELECT * FROM tsdb.promql('sum(rate(ps_cpu_total[1d]))')$q$, $q$SELECT * FROM tsdb.promql('sum(rate(ps_cpu_total[1m]))')$q$) AS long,
       ps_costs_more($q$SELECT * FROM tsdb.promql('sum(ps_cpu_total)', '2026-02-01', '2026-02-02', '1m')$q$, $q$SELECT * FROM tsdb.promql('sum(ps_cpu_total)')$q$) AS steps,
       ps_costs_more($q$SELECT tsdb.promql('max_over_time(sum(ps_cpu_total)[1d:10s])')$q$, $q$SELECT tsdb.promql('sum(ps_cpu_total)')$q$) AS subquery;

-- What is not known yet, or never will be, leaves a guess; null is no call at all; nothing raises.
PREPARE ps_unknown(text, timestamptz, timestamptz, interval) AS SELECT * FROM tsdb.promql($1, $2, $3, $4);
PREPARE ps_unknown_query(text) AS SELECT * FROM tsdb.promql($1, '2026-02-01 00:05', '2026-02-01 00:05:09', '1s');
PREPARE ps_unknown_times(timestamptz, timestamptz) AS SELECT * FROM tsdb.promql('sum(ps_cpu_total)', $1, $2, '1s');
PREPARE ps_unknown_step(interval) AS SELECT * FROM tsdb.promql('sum(ps_cpu_total)', '2026-02-01', '2026-02-02', $1);
SET plan_cache_mode = force_generic_plan;
SELECT ps_rows($q$EXECUTE ps_unknown('ps_cpu_total', '2026-02-01', '2026-02-01', '1s')$q$) AS all_unknown,
       ps_rows($q$EXECUTE ps_unknown_query('ps_cpu_total')$q$) AS query,
       ps_rows($q$EXECUTE ps_unknown_times('2026-02-01', '2026-02-01')$q$) AS times,
       ps_rows($q$EXECUTE ps_unknown_step('1h')$q$) AS step;
SET plan_cache_mode = force_custom_plan;
SELECT ps_rows($q$EXECUTE ps_unknown('ps_cpu_total', '2026-02-01', '2026-02-01', '1s')$q$) AS all_known,
       ps_rows($q$EXECUTE ps_unknown(null, '2026-02-01', '2026-02-01', '1s')$q$) AS null_query;
RESET plan_cache_mode;
SELECT call, ps_rows('SELECT * FROM ' || call) AS rows
  FROM unnest(ARRAY[
    $$tsdb.promql('sum by (')$$, $$tsdb.promql('ps_cpu_total[1m', '2026-02-01', '2026-02-01', '1s')$$, $$tsdb.promql('')$$,
    $$tsdb.promql('ps_cpu_total[1m - 1m]')$$, $$tsdb.samples('ps_cpu_total{', '2026-02-01', '2026-02-01')$$,
    $$tsdb.promql('ps_cpu_total', '2026-02-02', '2026-02-01', '1s')$$, $$tsdb.promql('ps_cpu_total', '2026-02-01', '2026-02-02', '-1s')$$,
    $$tsdb.promql('ps_cpu_total', '-infinity', 'infinity', '1s')$$, $$tsdb.promql('vector(1)', '4713-01-01 BC', '294276-01-01', '1ms')$$,
    $$tsdb.promql('vector(1)', '2026-02-01', '2026-02-02', '170000000y')$$, $$tsdb.promql(null, '2026-02-01', null, '1s')$$,
    $$tsdb.promql('ps_cpu_total', at => null)$$, $$tsdb.promql(at => now(), query => 'sum(ps_cpu_total)')$$,
    $$tsdb.promql('ps_cpu_total', now() - interval '99 min', now(), '1 min')$$]) AS call;

-- A few rows are looked up in a big table, many are hashed.
EXPLAIN (COSTS OFF) SELECT * FROM tsdb.promql('topk(1, ps_cpu_total)') p JOIN ps_host h ON h.host = p.labels->>'host';
EXPLAIN (COSTS OFF) SELECT * FROM tsdb.promql('ps_cpu_total', '2026-02-01', '2026-02-02', '15s') p JOIN ps_host h ON h.host = p.labels->>'host';

-- An estimate tells a stranger nothing.
CREATE ROLE regress_ps_stranger;
GRANT SELECT ON ps_host TO regress_ps_stranger;
SET ROLE regress_ps_stranger;
SELECT ps_rows($q$SELECT * FROM tsdb.promql('ps_cpu_total')$q$);
RESET ROLE;
SET pgtsdb.tenant = 'ps no such tenant';
SELECT ps_rows($q$SELECT * FROM tsdb.promql('ps_cpu_total')$q$);
RESET pgtsdb.tenant;

-- ---- where it may stand ----

-- Untyped literals.
SELECT ts, value FROM tsdb.promql('sum(rate(ps_cpu_total[5m]))', '2026-02-01T00:05:00Z', '2026-02-01T00:05:30.123Z', '15s');

-- The time, the query or the step of each row of another table.
SELECT h.host, h.owner, p.ts, p.value
  FROM ps_host h, LATERAL tsdb.promql(format('sum(ps_cpu_total{host=%s})', to_json(h.host)), h.seen) p
 WHERE h.host IN ('h1', 'h2', 'h4000') ORDER BY 1;
SELECT s.step, count(p.ts) FROM (VALUES (interval '15 s'), ('1 min'), (NULL)) s (step)
  LEFT JOIN LATERAL tsdb.promql('sum(ps_cpu_total)', '2026-02-01', '2026-02-01 00:05', s.step) p ON true GROUP BY 1 ORDER BY 1;
SELECT host, (SELECT value FROM tsdb.promql('sum by (host) (ps_cpu_total)', h.seen) WHERE labels->>'host' = h.host) AS value
  FROM ps_host h WHERE host < 'h2' AND length(host) = 2 ORDER BY 1;

-- Joined with itself and with tables, outer and semi joins, sets, windows.
SELECT a.labels->>'host' AS host, a.value - b.value AS growth
  FROM tsdb.promql('sum by (host) (ps_cpu_total)', '2026-02-01 00:10') a
  JOIN tsdb.promql('sum by (host) (ps_cpu_total)', '2026-02-01 00:05') b USING (labels) ORDER BY 1 LIMIT 2;
SELECT h.owner, count(p.value), sum(p.value) FROM ps_host h
  LEFT JOIN tsdb.promql('ps_cpu_total{mode="idle"}', '2026-02-01 00:10') p ON p.labels->>'host' = h.host GROUP BY 1 ORDER BY 1;
SELECT count(*) FROM ps_host h
 WHERE EXISTS (SELECT FROM tsdb.promql('ps_cpu_total > 100', '2026-02-01 00:10') p WHERE p.labels->>'host' = h.host);
SELECT labels FROM tsdb.promql('count by (mode) (ps_cpu_total)', '2026-02-01 00:10')
EXCEPT SELECT labels FROM tsdb.promql('count by (mode) (ps_cpu_total{mode!="nice"})', '2026-02-01 00:10');
SELECT ts, value, value - lag(value) OVER (PARTITION BY labels ORDER BY ts) AS change
  FROM tsdb.promql('sum(ps_cpu_total)', '2026-02-01 00:01', '2026-02-01 00:02', '30s') ORDER BY ts;

-- CTEs, of which one is read twice, and one that writes beside a query.
WITH cpu AS MATERIALIZED (SELECT labels->>'host' AS host, value FROM tsdb.promql('sum by (host) (ps_cpu_total)', '2026-02-01 00:10'))
SELECT c.host FROM cpu c WHERE c.value = (SELECT max(value) FROM cpu);
WITH RECURSIVE later (n, value) AS (
    SELECT 0, value FROM tsdb.promql('sum(ps_cpu_total)', '2026-02-01 00:00')
    UNION ALL
    SELECT n + 1, p.value FROM later, LATERAL tsdb.promql('sum(ps_cpu_total)', timestamptz '2026-02-01 00:00' + (n + 1) * interval '1 min') p WHERE n < 3)
SELECT * FROM later;
CREATE TEMP TABLE ps_saved (host text, value float8);
WITH saved AS (
    INSERT INTO ps_saved SELECT labels->>'host', value FROM tsdb.promql('sum by (host) (ps_cpu_total)', '2026-02-01 00:10') RETURNING value)
SELECT count(*), sum(value) FROM saved;
UPDATE ps_host SET owner = 'idle' FROM tsdb.promql('ps_cpu_total{mode="idle"} < 50', '2026-02-01 00:10') p WHERE p.labels->>'host' = host RETURNING host;

-- Functions beside each other, numbered rows, column names and types of one's own.
SELECT p.labels->>'mode' AS mode, p.value, p.n
  FROM tsdb.promql('sort_by_label(sum by (mode) (ps_cpu_total), "mode")', '2026-02-01 00:10') WITH ORDINALITY AS p (labels, ts, value, n);
SELECT p.value, g.n FROM ROWS FROM (tsdb.promql('sort_desc(sum by (host) (ps_cpu_total))', '2026-02-01 00:10'), generate_series(1, 2)) AS p (labels, ts, value, n),
       LATERAL (SELECT p.n) g (n) LIMIT 3;
-- In the SELECT list, whole and in parts; more calls in step.
SELECT tsdb.promql('sum(ps_cpu_total)', '2026-02-01 00:10');
SELECT (tsdb.promql('sum(ps_cpu_total)', '2026-02-01 00:10')).*;
SELECT h.host, (tsdb.promql('sum(ps_cpu_total)', h.seen)).value FROM ps_host h WHERE host IN ('h0', 'h15') ORDER BY 1;
SELECT count(*), count(DISTINCT p) FROM (SELECT tsdb.promql('ps_cpu_total', '2026-02-01', '2026-02-01 00:01', '15s') AS p) x;
SELECT (p).labels->>'host' AS host FROM (SELECT tsdb.promql('topk(1, ps_cpu_total)', '2026-02-01 00:10') AS p OFFSET 0) x LIMIT 1;

-- Views, on which a condition may be put, and materialized views.
CREATE VIEW ps_busy AS SELECT labels->>'host' AS host, ts, value FROM tsdb.promql('sum by (host) (ps_cpu_total{mode!="idle"})', '2026-02-01', '2026-02-01 00:10', '1m');
SELECT count(*), min(ts), max(ts) FROM ps_busy WHERE ts BETWEEN '2026-02-01T00:05:00Z' AND '2026-02-01T00:06:00.5Z' AND host <> 'h3';
CREATE MATERIALIZED VIEW ps_kept AS SELECT labels, ts, value FROM tsdb.promql('sum by (mode) (ps_cpu_total)', '2026-02-01', '2026-02-01 00:10', '5m');
CREATE UNIQUE INDEX ON ps_kept (labels, ts);
SELECT count(*), sum(value) FROM ps_kept;
SELECT count(*) FROM (SELECT tsdb.push_text(E'ps_cpu_total{host="h10",mode="steal"} 7\n', '{"job":"node"}', timestamptz '2026-02-01 00:05Z')) pushed;
REFRESH MATERIALIZED VIEW CONCURRENTLY ps_kept;
SELECT count(*), sum(value) FROM ps_kept;
REFRESH MATERIALIZED VIEW ps_kept;
SELECT count(*), sum(value) FROM ps_kept;

-- Prepared statements find out the types of their parameters, and answer the same with either kind of plan.
PREPARE ps_range AS SELECT count(*), sum(value) FROM tsdb.promql($1, $2, $3, $4);
PREPARE ps_samples AS SELECT count(*) FROM tsdb.samples($1, $2, $3);
SELECT name, parameter_types FROM pg_prepared_statements WHERE name IN ('ps_range', 'ps_samples') ORDER BY 1;
SET plan_cache_mode = force_generic_plan;
EXECUTE ps_range('sum(ps_cpu_total)', '2026-02-01', '2026-02-01 00:10', '1m');
EXECUTE ps_range('ps_cpu_total{mode="user"}', '2026-02-01', '2026-02-01 00:00:30', '30s');
EXECUTE ps_range('ps_cpu_total', NULL, '2026-02-01 00:10', '1m');
EXECUTE ps_samples('ps_cpu_total{host="h1"}', '-infinity', 'infinity');
SET plan_cache_mode = force_custom_plan;
EXECUTE ps_range('sum(ps_cpu_total)', '2026-02-01', '2026-02-01 00:10', '1m');
EXECUTE ps_samples('ps_cpu_total{host="h1"}', '-infinity', 'infinity');
RESET plan_cache_mode;
DEALLOCATE ALL;

-- Cursors go back and forth, and one that is held outlives its transaction and the samples.
BEGIN;
DECLARE ps_cursor SCROLL CURSOR FOR SELECT ts, value FROM tsdb.promql('sum(ps_cpu_total)', '2026-02-01', '2026-02-01 00:10', '1m');
FETCH 2 FROM ps_cursor;
FETCH LAST FROM ps_cursor;
FETCH BACKWARD 2 FROM ps_cursor;
COMMIT;
BEGIN;
DECLARE ps_held CURSOR WITH HOLD FOR SELECT labels->>'mode' AS mode, value FROM tsdb.promql('sort(sum by (mode) (ps_cpu_total{mode=~"idle|steal"}))', '2026-02-01 00:09');
COMMIT;
SELECT tsdb.delete_series('ps_cpu_total{mode="steal"}');
FETCH ALL FROM ps_held;
CLOSE ps_held;

-- PL/pgSQL: a loop, a query made at run time, a table function around it, an error that is caught.
CREATE FUNCTION ps_cores(span interval, up_to timestamptz) RETURNS TABLE (host text, cores numeric) LANGUAGE plpgsql STABLE AS $$
DECLARE
    r record;
BEGIN
    FOR r IN SELECT * FROM tsdb.promql(format('sum by (host) (rate(ps_cpu_total{mode!="idle"}[%ss]))', extract(epoch FROM span)::int), up_to) LOOP
        host := r.labels->>'host';
        cores := round(r.value::numeric, 3);
        RETURN NEXT;
    END LOOP;
    RETURN QUERY SELECT 'all', round(sum(p.value)::numeric, 3) FROM tsdb.promql('rate(ps_cpu_total{mode!="idle"}[5m])', up_to) p;
END
$$;
SELECT * FROM ps_cores('5 min', '2026-02-01 00:10') ORDER BY cores DESC, host LIMIT 3;
DO $$
DECLARE
    state text;
    message text;
BEGIN
    PERFORM * FROM tsdb.promql('rate(ps_cpu_total)');
EXCEPTION WHEN syntax_error THEN
    GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT;
    RAISE NOTICE '%: %', state, message;
    RAISE NOTICE 'afterwards: %', (SELECT value FROM tsdb.promql('count(ps_cpu_total)', '2026-02-01 00:10'));
END
$$;
-- SQL functions are inlined, and their parameters known.
CREATE FUNCTION ps_total(at timestamptz) RETURNS SETOF float8 LANGUAGE sql STABLE AS $$ SELECT value FROM tsdb.promql('sum(ps_cpu_total)', at) $$;
SELECT ps_rows($q$SELECT * FROM ps_total('2026-02-01 00:10')$q$), * FROM ps_total('2026-02-01 00:10');

-- A few rows of many are all computed, but not all fetched.
SELECT count(*) FROM (SELECT * FROM tsdb.promql('ps_cpu_total', '2026-02-01', '2026-02-01 00:10', '1s') LIMIT 5) few;

-- Beside a parallel scan, in the leader or in a worker.
BEGIN;
SET LOCAL parallel_setup_cost = 0;
SET LOCAL parallel_tuple_cost = 0;
SET LOCAL min_parallel_table_scan_size = 0;
SET LOCAL max_parallel_workers_per_gather = 2;
SET LOCAL enable_nestloop = off;
CREATE TABLE ps_big AS SELECT 'h' || i % 20 AS host FROM generate_series(1, 20000) i;
ANALYZE ps_big;
EXPLAIN (COSTS OFF) SELECT count(*), sum(p.value) FROM ps_big b JOIN tsdb.promql('sum by (host) (ps_cpu_total)', '2026-02-01 00:10') p ON p.labels->>'host' = b.host;
SELECT count(*), sum(p.value) FROM ps_big b JOIN tsdb.promql('sum by (host) (ps_cpu_total)', '2026-02-01 00:10') p ON p.labels->>'host' = b.host;
ROLLBACK;

-- Nothing is written, whatever the kind of transaction, not even a transaction id taken.
BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY;
SELECT value FROM tsdb.promql('sum(ps_cpu_total)', '2026-02-01 00:10');
SELECT count(*) FROM tsdb.samples('ps_cpu_total', '-infinity', 'infinity');
SELECT (tsdb.api_query('sum(ps_cpu_total)', '2026-02-01 00:10')->'data'->'result'->0->'value'->>1) AS value;
COMMIT;
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT value FROM tsdb.promql('sum(ps_cpu_total)', '2026-02-01 00:10');
INSERT INTO ps_saved VALUES ('h0', 1);
COMMIT;
SET default_transaction_read_only = on;
SELECT value, pg_current_xact_id_if_assigned() IS NULL AS no_xid FROM tsdb.promql('sum(ps_cpu_total)', '2026-02-01 00:10');
SELECT tsdb.push_text('ps_cpu_total 1');
RESET default_transaction_read_only;

-- Rows beyond work_mem go to a file, not into memory.
SET work_mem = '64kB';
DO $$
DECLARE
    plan json;
BEGIN
    EXECUTE $q$EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, SUMMARY OFF, FORMAT JSON)
        SELECT * FROM tsdb.promql('ps_cpu_total', '2026-02-01', '2026-02-01 00:10', '1s')$q$ INTO plan;
    RAISE NOTICE '% rows, spilled: %', (plan->0->'Plan'->>'Actual Rows')::float8, (plan->0->'Plan'->>'Temp Written Blocks')::int > 100;
END
$$;
SELECT count(*), count(DISTINCT labels), sum(value) FROM tsdb.promql('ps_cpu_total', '2026-02-01', '2026-02-01 00:10', '1s');
RESET work_mem;

DROP VIEW ps_busy;
DROP MATERIALIZED VIEW ps_kept;
DROP FUNCTION ps_rows(text), ps_costs_more(text, text), ps_cores(interval, timestamptz), ps_total(timestamptz);
DROP TABLE ps_host;
DROP ROLE regress_ps_stranger;
SELECT tsdb.delete_series('ps_cpu_total');
