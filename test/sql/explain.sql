-- How a query is evaluated, and what that takes.
SET timezone = 'UTC';
SELECT count(*) FROM (
    SELECT tsdb.push_text(format(E'x_total{path="/a"} %s\nx_total{path="/b"} %s\nx_up 1\n', i * 15, i * 30),
                          '{"job":"x"}', timestamptz '2026-02-01 00:00:00Z' + i * interval '15 s')
      FROM generate_series(0, 40) i) pushed;

-- Times and memory differ from run to run, all other figures do not.
CREATE FUNCTION pg_temp.plan(query text, variadic arguments text[]) RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
    RETURN QUERY EXECUTE format('SELECT regexp_replace(regexp_replace(p, ''time=[0-9.]+'', ''time=T''), ''^(Memory|Execution Time): [0-9.]+'', ''\1: N'') FROM tsdb.explain(%L, %s) AS e(p)',
                                query, array_to_string(arguments, ', '));
END $$;

-- The plan alone.
SELECT * FROM tsdb.explain('sum by (path) (rate(x_total{job="x"}[5m] offset 1m)) / on (path) group_left (job) (x_up > bool 0.5)');
SELECT * FROM tsdb.explain('max_over_time(sum without (job) (-x_up)[10m:1m] @ end())', '2026-02-01 00:05:00Z', '2026-02-01 00:10:00Z', '1m');

-- With figures: what was read, what came of it.
SELECT pg_temp.plan('sum(rate(x_total[5m]))', '''2026-02-01 00:10:00Z''', 'true');
SELECT pg_temp.plan('topk(1, x_total) + ignoring (path) group_left () x_up', '''2026-02-01 00:05:00Z''', '''2026-02-01 00:10:00Z''', '''1m''', 'true');
-- The range is read once for all steps; what is fixed by @ is evaluated once.
SELECT pg_temp.plan('avg_over_time(x_up[2m]) * x_up @ end()', '''2026-02-01 00:05:00Z''', '''2026-02-01 00:10:00Z''', '''1m''', 'true');
-- A subquery has a grid of its own.
SELECT pg_temp.plan('max_over_time(x_up[2m:30s])', '''2026-02-01 00:10:00Z''', 'true');
CALL tsdb.compact();
SELECT pg_temp.plan('sum(rate(x_total[5m]))', '''2026-02-01 00:10:00Z''', 'true');

-- The API has them as its statistics.
SELECT data->'stats'->'samples', (SELECT string_agg(key, ' ') FROM json_object_keys(data->'stats'->'timings') key)
  FROM (SELECT tsdb.api_query_range('sum(rate(x_total[5m]))', '2026-02-01 00:05:00Z', '2026-02-01 00:10:00Z', '1m', stats => true)->'data' AS data) answer;
SELECT tsdb.api_query('x_up', '2026-02-01 00:10:00Z')->'data'->'stats' IS NULL AS no_stats_unless_asked_for;

-- Mistakes are those of promql().
SELECT * FROM tsdb.explain('sum(x_up', run => true);
SELECT * FROM tsdb.explain('x_up', '2026-02-01 00:05:00Z', '2026-02-01 00:00:00Z', '1m');
SELECT * FROM tsdb.explain('x_up', '2026-02-01 00:05:00Z', '2026-02-01 00:10:00Z', '0');
