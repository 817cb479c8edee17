-- Hostile input: an error that says what is wrong, and never an internal one; what is good beside it is stored and read.
SELECT current_database() AS here \gset
CREATE DATABASE pgtsdb_bad_input ENCODING 'UTF8' LOCALE 'C' TEMPLATE template0;
\c pgtsdb_bad_input
CREATE EXTENSION pgtsdb;
SET timezone = 'UTC';
SET datestyle = 'ISO';
\set SHOW_CONTEXT never
\pset null -
SELECT tsdb.create_storage();

-- Runs a statement, and tells how it ended.
CREATE FUNCTION outcome(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    hint text;
    answer text;
BEGIN
    EXECUTE statement INTO answer;
    RETURN 'ok: ' || coalesce(answer, '-');
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT;
    RETURN SQLSTATE || ': ' || SQLERRM || coalesce(' [' || nullif(hint, '') || ']', '');
END $$;

-- ---- times at and behind both ends ----

SELECT at, outcome(format($$SELECT tsdb.push_text('edge 1', '{}', %L)$$, at)) AS push_text,
       outcome(format($$SELECT count(*) FROM tsdb.samples('edge', %L, 'infinity')$$, at)) AS samples,
       outcome(format($$SELECT count(*) FROM tsdb.promql('edge', timestamptz %L)$$, at)) AS promql,
       outcome(format($$SELECT tsdb.api_query('edge', %L) ->> 'status'$$, at)) AS api,
       outcome(format($$SELECT tsdb.delete_series('edge', %L, %L, true)$$, at, at)) AS dry_run,
       outcome(format($$SELECT tsdb.ensure_chunk_partition(0::int2, 0::int2, %L)$$, at)) AS partition
  FROM unnest('{-infinity, 4714-11-24 00:00:00+00 BC, 0001-01-01 BC, 1969-12-31 23:59:59.999, 294276-12-31 23:59:59.999, infinity}'::text[]) at;
CALL tsdb.compact(true);
SELECT ts FROM tsdb.samples('edge', '-infinity', 'infinity');
SELECT tsdb.delete_series('edge', '294276-12-31', 'infinity');
SELECT tsdb.delete_series('edge', '-infinity', '0001-01-01');
SELECT ts FROM tsdb.samples('edge', '-infinity', 'infinity');

SELECT step, outcome(format($$SELECT count(*) FROM tsdb.promql('1', '2024-01-01', '2024-01-02', %L)$$, step)) AS promql,
       outcome(format($$SELECT left(tsdb.api_query_range('1', '2024-01-01', '2024-01-02', %L)::text, 130)$$, step)) AS api
  FROM unnest('{0, -1 s, 0.1 ms, 1 ms, 1 month, 178000000 years, -178000000 years}'::interval[]) step;
SELECT outcome($$SELECT count(*) FROM tsdb.promql('time()', '-infinity', 'infinity', '1 ms')$$);
SELECT outcome($$SELECT count(*) FROM tsdb.promql('1', '2024-01-02', '2024-01-01', '1 s')$$);

-- ---- JSON of all shapes; the last sample of each body is good ----

SELECT shape, tsdb.push(format('{"samples": [%s, {"metric": "beside", "labels": {"n": "%s"}, "timestampMs": 1, "value": 1}]}', shape, n)::jsonb)
  FROM unnest(ARRAY['null', '[]', '[[]]', '{}', '1e400', 'true', '"sample"', '{"metric": null}', '{"metric": []}',
       '{"metric": "m", "value": 1, "timestampMs": 1e130000}', '{"metric": "m", "value": 1, "timestampMs": -1e300}',
       '{"metric": "m", "value": "0x", "timestampMs": 1}', '{"metric": "m", "value": " 1", "timestampMs": 1}', '{"metric": "m", "value": "", "timestampMs": 1}',
       '{"metric": "m", "labels": {"__name__": "n"}, "value": 1, "timestampMs": 1}', '{"metric": "m", "labels": {"": "n"}, "value": 1, "timestampMs": 1}',
       '{"metric": "m", "labels": {"a": {"b": []}}, "value": 1, "timestampMs": 1}']) WITH ORDINALITY u (shape, n);
SELECT count(*) FROM tsdb.samples('beside', '-infinity', 'infinity');
SELECT count(*) FROM tsdb.samples('{__name__=~"m|n"}', '-infinity', 'infinity');
SELECT tsdb.push(format('{"samples": [{"metric": "m", "labels": %s, "timestampMs": 1, "value": 1}, {"metric": "beside_large", "timestampMs": %s, "value": 1}]}', labels, n)::jsonb)
  FROM (VALUES (1, (SELECT jsonb_object_agg('l' || i, 'x') FROM generate_series(1, 1500) i)),
               (2, jsonb_build_object('a', repeat('é', 35000))),
               (3, jsonb_build_object(repeat('a', 70000), 'x')),
               (4, (repeat('{"a": ', 1000) || '1' || repeat('}', 1000))::jsonb)) u (n, labels);
SELECT count(*) FROM tsdb.samples('beside_large', '-infinity', 'infinity');

-- What a message quotes is cut, and is text all the same.
SELECT tsdb.push_text(E'cut 1\ncut{a="' || repeat('x', n) || repeat('😀', 300) || E'"} 1 1\ncut{a="' || repeat('x', n) || repeat('😀', 300) || '"} 2 1', at => '1970-01-01Z')
  FROM generate_series(0, 3) n;

-- ---- PromQL ----

SELECT left(query, 40) AS query, outcome(format($$SELECT count(*) FROM tsdb.promql(%L, timestamptz '1970-01-01Z')$$, query)) AS promql,
       outcome(format($$SELECT coalesce(tsdb.api_query(%1$L, '1970-01-01Z') ->> 'errorType', tsdb.api_query(%1$L, '1970-01-01Z') ->> 'data')$$, query)) AS api
  FROM unnest(ARRAY['', ' ', repeat('(', 100000), repeat('-', 100000) || '1', repeat('sum(', 5000), '1' || repeat('+1', 20000), 'edge' || repeat('[1h:1s]', 2000),
       repeat('x', 2000000), '{', '"', 'edge[99999999999999999999y]', 'edge @ 1e300', 'edge @ NaN', 'edge{a=~"("}', 'edge{a=~"(((a{1000}){1000}){1000})"}',
       'edge{a=~"' || repeat('(a|b)', 20000) || '"}', 'edge{a=~"(a)\\1"}', 'edge{a=~"\xff"}', 'max_over_time(vector(1)[1000y:1ms])',
       'absent({x="\xff"})', 'absent({x="\x00"})', 'label_replace(vector(1), "\xff", "a", "", "")', 'label_replace(vector(1), "x", "a", "", "(")',
       'count_values("\xff", vector(1))', 'topk(NaN, vector(1))', 'topk(1e300, vector(1))', 'year(vector(1e300)) > bool 0']) query;
-- The time of a regular expression is bounded by the length of its text, however it is written.
SET statement_timeout = '10 s';
SELECT tsdb.push_text('long{a="' || repeat('a', 30000) || '"} 1', at => '1970-01-01Z');
SELECT outcome(format($$SELECT count(*) FROM tsdb.promql(%L, timestamptz '1970-01-01Z')$$, query))
  FROM unnest(ARRAY['long{a=~"(a+)+b"}', 'long{a=~"(a|a)*b"}', 'long{a=~"' || repeat('a?', 20) || repeat('a', 20) || '"}']) query;
RESET statement_timeout;

SELECT selector, outcome(format($$SELECT count(*) FROM tsdb.samples(%L, '-infinity', '-infinity')$$, selector)) AS samples,
       outcome(format('SELECT tsdb.delete_series(%L, dry_run => true)', selector)) AS delete_series
  FROM unnest('{"", "{", "sum(edge)", "edge[5m]", "edge offset 5m", "edge @ 1", "1", "\"a\"", "edge or edge"}'::text[]) selector;

-- ---- a thousand random bodies ----

-- Bytes that are the same in every run.
CREATE FUNCTION noise(seed text, n int) RETURNS bytea LANGUAGE sql IMMUTABLE AS
$$ SELECT substr(string_agg(sha256(convert_to(seed || i, 'UTF8')), '' ORDER BY i), 1, n) FROM generate_series(0, n / 32) i $$;
-- Damages up to three bytes, or cuts the end off.
CREATE FUNCTION damaged(body bytea, seed text) RETURNS bytea LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    dice bytea := noise(seed, 32);
BEGIN
    IF get_byte(dice, 0) < 64 THEN
        RETURN substr(body, 1, get_byte(dice, 1) * length(body) / 256);
    END IF;
    FOR i IN 0 .. get_byte(dice, 0) % 3 LOOP
        body := set_byte(body, (get_byte(dice, 4 * i + 2) * 256 + get_byte(dice, 4 * i + 3)) % length(body), get_byte(dice, 4 * i + 4));
    END LOOP;
    RETURN body;
END $$;

-- How each of a set of statements ended, by SQLSTATE.
CREATE FUNCTION outcomes(statement text, inputs bytea[]) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    states text[] := '{}';
BEGIN
    SET LOCAL client_min_messages = error;
    FOR i IN 1 .. cardinality(inputs) LOOP
        BEGIN
            EXECUTE statement USING inputs[i];
            states := states || text '00000';
        EXCEPTION WHEN OTHERS THEN
            states := states || SQLSTATE;
        END;
    END LOOP;
    RETURN (SELECT string_agg(DISTINCT state, ' ') FROM unnest(states) state);
END $$;

SELECT outcomes('SELECT tsdb.remote_write($1)', array_agg(noise('body' || i, i % 200))) FROM generate_series(1, 1000) i;
-- A request of two series, damaged before it is compressed (a block of one literal) and behind.
CREATE FUNCTION block(content bytea) RETURNS bytea LANGUAGE sql IMMUTABLE AS
$$ SELECT set_byte('\x00', 0, length(content)) || '\xf0' || set_byte('\x00', 0, length(content) - 1) || content $$;
\set request '''\\x0a210a110a085f5f6e616d655f5f12056e6f697365120c09000000000000f03f10e8070a250a0d0a085f5f6e616d655f5f12016e121409000000000000004010ffffffffffffffffff01'''
SELECT tsdb.remote_write(block(:request));
SELECT outcomes('SELECT tsdb.remote_write(block($1))', array_agg(damaged(:request, 'proto' || i) || '\x00'))
  FROM generate_series(1, 1000) i;
SELECT outcomes('SELECT tsdb.remote_write($1)', array_agg(damaged(block(:request), 'body' || i)))
  FROM generate_series(1, 1000) i;
SELECT outcomes('SELECT tsdb.push_text(encode($1, ''escape''))', array_agg(noise('text' || i, i % 200))) FROM generate_series(1, 1000) i;
SELECT outcomes('SELECT tsdb.push_text(convert_from($1, ''LATIN1''))',
                array_agg(damaged(E'# TYPE noise counter\nnoise{a="b",c="d"} 1.5 1000\nnoise{a="\\\\"} NaN\n{"noise b"} +Inf\n', 'text' || i)))
  FROM generate_series(1, 1000) i;
SELECT outcomes('SELECT tsdb.push(convert_from($1, ''LATIN1'')::jsonb)',
                array_agg(damaged('{"samples": [{"metric": "m", "labels": {"a": "b"}, "timestampMs": 1700000000000, "value": 21.5}, {"metric": "n"}]}', 'json' || i)))
  FROM generate_series(1, 1000) i;
SELECT outcomes('SELECT tsdb.promql(convert_from($1, ''LATIN1''))',
                array_agg(damaged('sum by (a) (rate(noise{a=~"b.*",c!="d"}[5m:1m] offset 1h)) / on (a) group_left (b) max_over_time(m @ end()[1h:]) ^ -2 > bool 1e3', 'promql' || i)))
  FROM generate_series(1, 1000) i;
SELECT outcomes('SELECT convert_from($1, ''LATIN1'')::tsdb.labels', array_agg(damaged('up{job="node", "a b"="c\\"d"}', 'labels' || i)))
  FROM generate_series(1, 1000) i;
SELECT outcomes('SELECT convert_from($1, ''LATIN1'')::tsdb.selector', array_agg(damaged('up{job=~"node.+", "a b"!="c\\"d"}', 'selector' || i)))
  FROM generate_series(1, 1000) i;
SELECT outcomes('SELECT (''\x'' || encode($1, ''hex''))::tsdb.chunk', array_agg(noise('chunk' || i, i % 100))) FROM generate_series(1, 1000) i;
-- What the validator lets pass can be read.
SELECT outcomes('SELECT count(*) FROM tsdb.chunk_samples((''\x'' || encode($1, ''hex''))::tsdb.chunk)', array_agg(damaged(tsdb.chunk_send(chunk), kind || i)))
  FROM (VALUES ('counter', (SELECT tsdb.chunk_agg('2024-01-01Z'::timestamptz + n * interval '15 s', n * n) FROM generate_series(1, 40) n)),
               ('float', (SELECT tsdb.chunk_agg('2024-01-01Z'::timestamptz + n * n * interval '1 ms', sqrt(n)) FROM generate_series(1, 40) n)),
               ('gorilla', (SELECT tsdb.chunk_agg('2024-01-01Z'::timestamptz + n * interval '1 s', sqrt(n), 'gorilla') FROM generate_series(1, 40) n))) c (kind, chunk),
       generate_series(1, 1000) i;

-- The binary form, as a client sends it.
SELECT current_setting('data_directory') || '/pgtsdb_bad_input' AS file \gset
CREATE TEMP TABLE received (labels tsdb.labels);
COPY (SELECT tsdb.labels_send('up{job="a"}')) TO :'file' (FORMAT binary);
COPY received FROM :'file' (FORMAT binary);
TABLE received;
COPY (SELECT substr(tsdb.labels_send('up{job="a"}'), 1, 5)) TO :'file' (FORMAT binary);
COPY received FROM :'file' (FORMAT binary);
\echo :SQLSTATE
COPY (SELECT '\xff'::bytea) TO :'file' (FORMAT binary);
COPY received FROM :'file' (FORMAT binary);

-- ---- damaged rows ----

SELECT tsdb.delete_series('{__name__!=""}') > 0 AS emptied;
CREATE FUNCTION load(metric text, first int, last int) RETURNS void LANGUAGE sql AS $$
    SELECT tsdb.push_text(format(E'%s{n="1"} %s\n%1$s{n="2"} %s\n', metric, i, i / 7.0), jsonb_build_object('job', metric), timestamptz '2024-01-01Z' + i * interval '15 s')
      FROM generate_series(first, last) i $$;
CREATE FUNCTION row_counts(OUT sick_head bigint, OUT well_head bigint, OUT sick_chunks bigint, OUT well_chunks bigint) LANGUAGE sql AS $$
    SELECT count(*) FILTER (WHERE "values" IS NOT NULL AND origin ~ 'sick'), count(*) FILTER (WHERE "values" IS NOT NULL AND origin ~ 'well'),
           count(*) FILTER (WHERE data IS NOT NULL AND origin ~ 'sick'), count(*) FILTER (WHERE data IS NOT NULL AND origin ~ 'well')
      FROM tsdb.series_groups JOIN (SELECT part, group_id, "values", NULL::tsdb.chunk AS data FROM tsdb.head
                                    UNION ALL SELECT part, group_id, NULL, data FROM tsdb.chunks) r USING (part, group_id) $$;

-- A row of head.
SELECT load(metric, 0, 119) FROM unnest('{sick,well}'::text[]) metric;
CREATE TEMP TABLE saved AS SELECT h.* FROM tsdb.head h JOIN tsdb.series_groups USING (part, group_id) WHERE origin ~ 'sick' AND ts = 1704067800000;
SELECT count(*) FROM saved;
UPDATE tsdb.head h SET "values" = '\x0102ff' FROM saved s WHERE (h.part, h.group_id, h.ts, h.n) = (s.part, s.group_id, s.ts, s.n);
SELECT regexp_replace(outcome(statement), ' [0-9]+(?=[,)])', ' #', 'g') AS outcome FROM unnest(ARRAY[
    $$SELECT count(*) FROM tsdb.samples('sick', '-infinity', 'infinity')$$,
    $$SELECT count(*) FROM tsdb.promql('sick', '2024-01-01 00:10Z')$$,
    $$SELECT tsdb.api_query('sick', '2024-01-01 00:10Z') ->> 'status'$$,
    $$SELECT tsdb.delete_series('sick', '2024-01-01 00:05Z', '2024-01-01 00:15Z')$$]) statement;
-- Other times of the series, and other series, are read.
SELECT count(*) FROM tsdb.samples('sick', '2024-01-01 00:15Z', 'infinity');
SELECT count(*) FROM tsdb.samples('well', '-infinity', 'infinity');
-- The group is not compacted, all others are.
\set VERBOSITY sqlstate
CALL tsdb.compact(true);
\set VERBOSITY default
SELECT * FROM row_counts();
-- In a transaction of its own it is all or nothing.
SELECT load('well', 120, 239);
BEGIN;
\set VERBOSITY sqlstate
CALL tsdb.compact(true);
\set VERBOSITY default
ROLLBACK;
SELECT * FROM row_counts();

-- What heals the row heals all.
UPDATE tsdb.head h SET "values" = s."values" FROM saved s WHERE (h.part, h.group_id, h.ts, h.n) = (s.part, s.group_id, s.ts, s.n);
CALL tsdb.compact(true);
SELECT * FROM row_counts();
SELECT metric_name, n, sum FROM (VALUES ('sick'), ('well')) m (metric_name),
       LATERAL (SELECT count(*) AS n, sum(value) FROM tsdb.samples(metric_name || '{n="1"}', '-infinity', 'infinity')) s;

-- A chunk.
CREATE CAST (bytea AS tsdb.chunk) WITHOUT FUNCTION;
UPDATE tsdb.chunks c SET data = '\x0101ff'::bytea::tsdb.chunk FROM saved s WHERE (c.part, c.group_id) = (s.part, s.group_id);
SELECT regexp_replace(outcome(statement), ' [0-9]+(?=[,)])', ' #', 'g') AS outcome FROM unnest(ARRAY[
    $$SELECT count(*) FROM tsdb.samples('sick', '-infinity', 'infinity')$$,
    $$SELECT count(*) FROM tsdb.promql('sick', '2024-01-01 00:10Z')$$,
    $$SELECT tsdb.api_query('sick', '2024-01-01 00:10Z') ->> 'status'$$,
    $$SELECT tsdb.delete_series('sick', '2024-01-01 00:05Z', '2024-01-01 00:15Z')$$]) statement;
SELECT count(*) FROM tsdb.samples('well', '-infinity', 'infinity');
-- Late samples wait in head.
SELECT load(metric, 3, 3) FROM unnest('{sick,well}'::text[]) metric;
\set VERBOSITY sqlstate
CALL tsdb.compact(true);
\set VERBOSITY default
SELECT * FROM row_counts();
-- A whole series can be deleted only with what it has.
DELETE FROM tsdb.chunks c USING saved s WHERE (c.part, c.group_id) = (s.part, s.group_id);
SELECT count(*) FROM tsdb.samples('sick', '-infinity', 'infinity');
SELECT tsdb.delete_series('sick');
SELECT * FROM row_counts();

\c :here
DROP DATABASE pgtsdb_bad_input;
