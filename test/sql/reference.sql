-- Whatever comes in, in whatever order, compacted and deleted in between: storage holds what a plain table would.
-- Values are compared as text, which tells -0 from 0 and is exact, but knows one NaN only.
SET timezone = 'UTC';
SELECT setseed(0.42);
CREATE TEMP TABLE reference (n int, ts timestamptz, value float8, PRIMARY KEY (n, ts));
CREATE VIEW pg_temp.stored AS
    SELECT (labels->>'n')::int AS n, ts, value FROM tsdb.samples('r_metric', '-infinity', 'infinity');
CREATE FUNCTION pg_temp.differences() RETURNS bigint LANGUAGE sql AS $$
    SELECT count(*) FROM ((SELECT n, ts, value::text FROM reference EXCEPT SELECT n, ts, value::text FROM pg_temp.stored)
                          UNION ALL
                          (SELECT n, ts, value::text FROM pg_temp.stored EXCEPT SELECT n, ts, value::text FROM reference)) d $$;

-- One batch: random series, times in three days around a partition border and in two minutes of own timestamps, awkward values.
CREATE FUNCTION pg_temp.push() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    base timestamptz := timestamptz '2026-05-01 00:00:00Z' + (random() * 72)::int * interval '1 hour';
    step interval := (ARRAY['1 s', '15 s', '61 s'])[1 + (random() * 2)::int];
    jitter float8 := (ARRAY[0, 0, 0.5, 20])[1 + (random() * 3)::int];
    specials float8[] := ARRAY[0, '-0', 'NaN', 'Infinity', '-Infinity', 1e300, 5e-324, 1.5];
    body jsonb;
BEGIN
    CREATE TEMP TABLE batch ON COMMIT DROP AS
        SELECT n, ts, CASE WHEN random() < 0.1 THEN specials[1 + (random() * 7)::int]
                           WHEN n % 3 = 0 THEN i WHEN n % 3 = 1 THEN round((i * 0.25)::numeric, 2)::float8 ELSE random() END AS value
          FROM generate_series(0, 5 + (random() * 120)::int) i, generate_series(1, 6) n,
               LATERAL (SELECT date_trunc('milliseconds', base + i * step + random() * jitter * interval '1 s') AS ts) t
         WHERE random() < 0.8;
    SELECT jsonb_build_object('samples', jsonb_agg(jsonb_build_object(
               'metric', 'r_metric', 'labels', jsonb_build_object('n', n::text),
               'timestampMs', (extract(epoch FROM ts) * 1000)::bigint,
               'value', CASE WHEN value::text IN ('NaN', 'Infinity', '-Infinity', '-0') THEN to_jsonb(value::text) ELSE to_jsonb(value) END)
               ORDER BY ctid))
      INTO body FROM batch;
    INSERT INTO reference SELECT n, ts, value FROM batch ORDER BY ctid ON CONFLICT DO NOTHING;
    PERFORM tsdb.push(body);
    DROP TABLE batch;
END $$;
CREATE FUNCTION pg_temp.delete() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    which int := 1 + (random() * 5)::int;
    first timestamptz := timestamptz '2026-05-01 00:00:00Z' + random() * interval '72 hours';
    last timestamptz := first + random() * interval '10 hours';
BEGIN
    PERFORM tsdb.delete_series(format('r_metric{n="%s"}', which), first, last);
    DELETE FROM reference WHERE n = which AND ts BETWEEN date_trunc('milliseconds', first) AND last;
END $$;

SET client_min_messages = error;
DO $$
DECLARE
    what float8;
    wrong bigint;
BEGIN
    FOR i IN 1..120 LOOP
        what := random();
        PERFORM set_config('pgtsdb.compaction_window', (ARRAY['30min', '1h', '7min', '2h'])[1 + (random() * 3)::int], false);
        IF what < 0.6 THEN PERFORM pg_temp.push();
        ELSIF what < 0.85 THEN CALL tsdb.compact();
        ELSE PERFORM pg_temp.delete();
        END IF;
        wrong := pg_temp.differences();
        IF wrong > 0 THEN
            RAISE EXCEPTION 'round %, %: % differences', i, what, wrong;
        END IF;
    END LOOP;
END $$;
RESET client_min_messages;
SELECT count(*) > 1000 AS enough, (SELECT count(*) FROM pg_temp.stored) = count(*) AS all_there FROM reference;
SELECT count(DISTINCT tsdb.chunks.tableoid) > 1 AS several_partitions FROM tsdb.chunks JOIN tsdb.series USING (part, group_id) WHERE labels OPERATOR(tsdb.->>) '__name__' = 'r_metric';
SELECT tsdb.delete_series('r_metric');
