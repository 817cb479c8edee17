-- Samples go in by three ways; what is bad is named, and the rest is stored.
SELECT current_database() AS here \gset
CREATE DATABASE pgtsdb_ingest ENCODING 'UTF8' LOCALE 'C' TEMPLATE template0;
\c pgtsdb_ingest
CREATE EXTENSION pgtsdb;
SET timezone = 'UTC';
\set SHOW_CONTEXT never
\pset null -

-- A remote-write body: protobuf in a snappy block of one literal.
CREATE FUNCTION varint(n bigint) RETURNS bytea LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    bytes bytea := '';
BEGIN
    LOOP
        EXIT WHEN n BETWEEN 0 AND 127;
        bytes := bytes || set_byte('\x00', 0, (n & 127)::int | 128);
        n := (n >> 7) & 144115188075855871;
    END LOOP;
    RETURN bytes || set_byte('\x00', 0, n::int);
END $$;
CREATE FUNCTION field(tag int, content bytea) RETURNS bytea LANGUAGE sql IMMUTABLE AS
$$ SELECT set_byte('\x00', 0, tag * 8 + 2) || varint(length(content)) || content $$;
CREATE FUNCTION reverse(bytea) RETURNS bytea LANGUAGE sql IMMUTABLE AS
$$ SELECT string_agg(substr($1, i, 1), '' ORDER BY i DESC) FROM generate_series(1, length($1)) i $$;
CREATE FUNCTION label(name text, value text) RETURNS bytea LANGUAGE sql IMMUTABLE AS
$$ SELECT field(1, field(1, convert_to(name, 'UTF8')) || field(2, convert_to(value, 'UTF8'))) $$;
CREATE FUNCTION sample_bits(t bigint, bits bytea) RETURNS bytea LANGUAGE sql IMMUTABLE AS
$$ SELECT field(2, '\x09' || reverse(bits) || '\x10' || varint(t)) $$;
CREATE FUNCTION sample(t bigint, v float8) RETURNS bytea LANGUAGE sql IMMUTABLE AS
$$ SELECT sample_bits(t, float8send(v)) $$;
CREATE FUNCTION series(VARIADIC bytea[]) RETURNS bytea LANGUAGE sql IMMUTABLE AS
$$ SELECT field(1, string_agg(f, '' ORDER BY i)) FROM unnest($1) WITH ORDINALITY AS u (f, i) $$;
CREATE FUNCTION snappy(content bytea) RETURNS bytea LANGUAGE sql IMMUTABLE AS
$$ SELECT varint(length(content)) || '\xf8'::bytea || reverse(substr(int4send(length(content) - 1), 2)) || content $$;
SELECT tsdb.create_storage();
CREATE FUNCTION stored(VARIADIC metrics text[]) RETURNS TABLE (labels tsdb.labels, group_id int, col int2, n bigint, t_first bigint, t_last bigint)
LANGUAGE sql AS $$
    SELECT s.labels, s.group_id, s.col, count(h), min(h.ts), max(h.ts)
      FROM tsdb.series s LEFT JOIN tsdb.head h USING (part, group_id)
     WHERE labels OPERATOR(tsdb.->>) '__name__' = ANY (metrics) GROUP BY 1, 2, 3 ORDER BY 2, 3 $$;

-- ---- remote write ----

SELECT tsdb.remote_write(snappy(
    series(label('__name__', 'requests_total'), label('instance', 'a:1'), label('job', 'api'), sample(1000, 1.5), sample(16000, 2.5)) ||
    series(label('__name__', 'requests_total'), label('instance', 'b:1'), label('job', 'api'), sample(1000, 3)) ||
    series(label('__name__', 'up'), label('instance', 'a:1'), label('job', 'api'), sample(1000, 1))));
SELECT * FROM stored('requests_total', 'up');

-- The values, bit for bit: stale marker, other NaN, infinities, minus zero, the smallest and the largest; 1970 and before.
SELECT tsdb.remote_write(snappy(
    series(label('__name__', 'bits'), sample_bits(0, '\x7ff0000000000002'), sample_bits(1, '\x7ff8000000000001'), sample(2, 'inf'), sample(3, '-inf'),
           sample(4, '-0'), sample(5, '4.9e-324'), sample(6, 1.7976931348623157e308), sample(-1000, 7), sample_bits(9223372036854, '\x7ff0000000000002'))));
SELECT ts, encode("values", 'hex') FROM tsdb.head JOIN tsdb.series USING (part, group_id) WHERE labels OPERATOR(tsdb.->>) '__name__' = 'bits' ORDER BY ts;

-- An empty request is a request.
SELECT tsdb.remote_write('\x00');

-- Bodies that are none: an error, and nothing is stored.
SELECT tsdb.remote_write('');
\echo :SQLSTATE
SELECT tsdb.remote_write('\xff060000734e61507059');
\echo :SQLSTATE
SELECT tsdb.remote_write(substr(snappy(series(label('__name__', 'cut'), sample(1, 1))), 1, 20));
\echo :SQLSTATE
SELECT tsdb.remote_write(snappy('no protobuf'));
\echo :SQLSTATE
SELECT tsdb.remote_write(snappy(series(label('__name__', 'cut'), sample(1, 1)) || '\x0a7f'));
\echo :SQLSTATE
SET pgtsdb.max_ingest_body = '1MB';
SELECT tsdb.remote_write(varint(1024 * 1024 + 1) || '\x00');
\echo :SQLSTATE
RESET pgtsdb.max_ingest_body;
SELECT * FROM stored('cut');

-- Series that cannot be: the rest is stored.
SELECT tsdb.remote_write(snappy(
    series(label('job', 'nameless'), sample(1000, 1)) ||
    series(label('__name__', 'good'), sample(1000, 1)) ||
    series(label('__name__', 'twice'), label('a', '1'), label('a', '2'), sample(1000, 1)) ||
    series(label('__name__', 'empty_name'), label('', '2'), sample(1000, 1))));
SELECT tsdb.remote_write(snappy(series(label('__name__', 'bad_utf8'), field(1, field(1, 'a') || field(2, '\xff')), sample(1000, 1))));
SELECT tsdb.remote_write(snappy(series(label('__name__', 'zero_byte'), field(1, field(1, 'a') || field(2, '\x00')), sample(1000, 1))));
SELECT tsdb.remote_write(snappy(series(label('__name__', repeat('x', 1025)), sample(1000, 1))));
SELECT tsdb.remote_write(snappy(series(label('__name__', 'long'), label('a', repeat('x', 65500)), label('b', repeat('y', 60)), sample(1000, 1))));
SELECT tsdb.remote_write(snappy(series(label('__name__', 'year_294277'), sample(9224318016000000, 1)) ||
                                series(label('__name__', 'end_of_time'), sample(9223372036854775807, 1))));
SELECT * FROM stored('nameless', 'good', 'twice', 'empty_name', 'bad_utf8', 'zero_byte', 'long', repeat('x', 1025));

-- Long labels and long origins are fine.
SELECT tsdb.remote_write(snappy(series(label('__name__', 'long_origin'), label('instance', repeat('é', 2000)), sample(1000, 1))));
SELECT octet_length(origin), left(origin, 20), right(origin, 6) FROM tsdb.series_groups ORDER BY group_id DESC LIMIT 1;

-- Label order and empty values do not make another series.
SELECT tsdb.remote_write(snappy(
    series(label('__name__', 'good'), label('void', ''), sample(2000, 1)) ||
    series(label('a', '1'), label('__name__', 'swapped'), sample(2000, 1)) ||
    series(label('__name__', 'swapped'), label('a', '1'), sample(3000, 1))));
SELECT * FROM stored('good', 'swapped');

-- ---- the same sample again ----

-- The same value is accepted; another one is reported, and the first stays. In one request, in the next, and with a NaN.
SELECT tsdb.remote_write(snappy(series(label('__name__', 'again'), sample(1000, 1), sample(1000, 1), sample(1000, 2))));
SELECT tsdb.remote_write(snappy(series(label('__name__', 'again'), sample(1000, 1), sample(2000, 5))));
SELECT tsdb.remote_write(snappy(series(label('__name__', 'again'), sample(1000, 3), sample(2000, 5), sample(3000, 'nan'))));
SELECT tsdb.remote_write(snappy(series(label('__name__', 'again'), sample(3000, 'nan'), sample_bits(3000, '\x7ff0000000000002'))));
BEGIN;
SELECT tsdb.remote_write(snappy(series(label('__name__', 'again'), sample(4000, 1))));
SELECT tsdb.remote_write(snappy(series(label('__name__', 'again'), sample(4000, 2))));
COMMIT;
SELECT ts, encode("values", 'hex') FROM tsdb.head JOIN tsdb.series USING (part, group_id) WHERE labels OPERATOR(tsdb.->>) '__name__' = 'again' ORDER BY ts;

-- ---- groups ----

-- Series of one job and instance that arrive together share rows; later ones join them; full groups are followed by another.
SELECT tsdb.push_text(string_agg(format('wide{n="%s"} %s', i, i), E'\n') || E'\n', '{"job": "wide", "instance": "w:1"}', '2023-11-14Z')
  FROM generate_series(1, 790) i;
SELECT tsdb.push_text(string_agg(format('wide{n="%s"} %s', i, i), E'\n') || E'\n', '{"job": "wide", "instance": "w:1"}', '2023-11-14Z')
  FROM generate_series(780, 820) i;
SELECT n_columns, (SELECT count(*) FROM tsdb.series s WHERE s.group_id = g.group_id), (SELECT count(*) FROM tsdb.head h WHERE h.group_id = g.group_id)
  FROM tsdb.series_groups g WHERE origin = 'job="wide",instance="w:1"' ORDER BY group_id;
-- Without job and instance only what comes together.
SELECT tsdb.push_text(E'alone 1\ntogether 2\n', '{}', '2023-11-14Z');
SELECT tsdb.push_text(E'later 3\n', '{}', '2023-11-14Z');
SELECT count(DISTINCT group_id), count(*) FROM tsdb.series WHERE labels OPERATOR(tsdb.->>) '__name__' IN ('alone', 'together', 'later');
-- Samples with timestamps of their own share a row too.
SELECT tsdb.push_text(string_agg(format('own_time{n="%s"} %s %s', i, i, 1700000000000 + i * 100), E'\n') || E'\n', '{"job": "own", "instance": "o:1"}')
  FROM generate_series(0, 299) i;
SELECT labels OPERATOR(tsdb.->>) '__name__' AS metric_name, h.ts, length("values") > 300 AS many FROM tsdb.head h JOIN tsdb.series s USING (part, group_id)
 WHERE labels OPERATOR(tsdb.->>) '__name__' = 'own_time' AND col = 0 ORDER BY ts;
SELECT tsdb.push_text('own_time{n="7"} 8 1700000000700', '{"job": "own", "instance": "o:1"}');

-- More than is kept in memory at once: more series than wait for their sender's end, more samples than wait for insertion.
SELECT tsdb.push_text(string_agg(format('big{n="%s"} %s %s000', i, i % 7, t), E'\n' ORDER BY i, t) || E'\n', '{"job": "big"}')
  FROM generate_series(1, 66000) i, generate_series(1700000000, 1700000045, 15) t;
SELECT count(*), sum(value) FROM tsdb.samples('big', '2023-11-14', '2023-11-15');
SELECT count(*), sum(n_columns), min(n_columns) FROM tsdb.series_groups WHERE origin LIKE 'job="big"%';

-- ---- JSON ----

SELECT tsdb.push('{"samples": []}');
SELECT tsdb.push('{"samples": [
    {"metric": "room_temperature", "labels": {"room": "attic", "job": "home"}, "timestampMs": 1700000000000, "value": 21.5},
    {"metric": "room_temperature", "timestampMs": 1700000000000, "value": "NaN"},
    {"metric": "room_temperature", "labels": null, "timestampMs": 1700000001000, "value": "-Inf"}]}');
SELECT * FROM stored('room_temperature');
SELECT tsdb.push('{"samples": [
    {"metric": "good_json", "timestampMs": 1700000000000, "value": 1},
    7,
    {"metric": 7, "timestampMs": 1700000000000, "value": 1},
    {"metric": "bad_json", "labels": [], "timestampMs": 1700000000000, "value": 1},
    {"metric": "bad_json", "labels": {"a": 1}, "timestampMs": 1700000000000, "value": 1},
    {"metric": "bad_json", "timestampMs": "now", "value": 1},
    {"metric": "bad_json", "timestampMs": 1700000000000.5, "value": 1},
    {"metric": "bad_json", "timestampMs": 1e300, "value": 1},
    {"metric": "bad_json", "timestampMs": 1700000000000, "value": "much"},
    {"metric": "bad_json", "timestampMs": 1700000000000, "value": true},
    {"metric": "bad_json", "timestampMs": 1700000000000},
    {"metric": "", "timestampMs": 1700000000000, "value": 1}]}');
SELECT labels FROM stored('good_json', 'bad_json');
SELECT tsdb.push('[]');
\echo :SQLSTATE
SELECT tsdb.push('{"samples": {}}');
\echo :SQLSTATE
SELECT tsdb.push('"samples"');
\echo :SQLSTATE

-- ---- text format ----

SELECT tsdb.push_text($$
# HELP fan_speed_rpm How fast the fan turns.
# TYPE fan_speed_rpm gauge
fan_speed_rpm{fan="1"} 1200
fan_speed_rpm{fan="2"} NaN 1700000000000
fan_speed_rpm{fan="3" 1
fan_speed_rpm{fan="4"} fast
fan_speed_rpm{job="own",fan="5"} 7
$$, '{"job": "fans"}', '2023-11-14 00:00Z');
SELECT labels FROM stored('fan_speed_rpm');
SELECT metric_name, type, help, unit FROM tsdb.metric_definitions WHERE metric_name = 'fan_speed_rpm';
-- What was told last stays, and what was not told is kept.
SELECT tsdb.push_text(E'# TYPE fan_speed_rpm counter\nfan_speed_rpm{fan="1"} 1\n', '{"job": "fans"}', '2023-11-14 00:00:15Z');
SELECT metric_name, type, help, unit FROM tsdb.metric_definitions WHERE metric_name = 'fan_speed_rpm';
SELECT tsdb.push_text('fan_speed_rpm 1', '{"job": 1}');
\echo :SQLSTATE
SELECT tsdb.push_text('fan_speed_rpm 1', '[]');
\echo :SQLSTATE
SELECT tsdb.push_text('fan_speed_rpm 1', '{"": "x"}');
\echo :SQLSTATE
SELECT tsdb.push_text('fan_speed_rpm 1', at => 'infinity');
\echo :SQLSTATE
SELECT tsdb.push_text(NULL);

-- ---- transactions ----

BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT tsdb.push_text('too_isolated 1');
\echo :SQLSTATE
ROLLBACK;
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT tsdb.push_text('too_isolated 1');
ROLLBACK;
BEGIN READ ONLY;
SELECT tsdb.push_text('only_read 1');
\echo :SQLSTATE
ROLLBACK;

-- What is rolled back leaves no series behind, nor in any cache.
BEGIN;
SELECT tsdb.push_text('rolled_back 1', '{"job": "r"}', '2023-11-14Z');
SAVEPOINT s;
SELECT tsdb.push_text(E'rolled_back 2\nrolled_back_too 1\n', '{"job": "r"}', '2023-11-15Z');
ROLLBACK TO s;
SELECT tsdb.push_text(E'rolled_back 3\nrolled_back_too 1\n', '{"job": "r"}', '2023-11-16Z');
SELECT * FROM stored('rolled_back', 'rolled_back_too');
ROLLBACK;
SELECT * FROM stored('rolled_back', 'rolled_back_too');
SELECT tsdb.push_text(E'rolled_back 2\nrolled_back_too 1\n', '{"job": "r"}', '2023-11-15Z');
SELECT count(*), count(DISTINCT group_id) FROM stored('rolled_back', 'rolled_back_too');

-- The tables may be emptied or made anew: nothing remembered leads to a series that is gone.
TRUNCATE tsdb.series, tsdb.series_groups, tsdb.head;
SELECT tsdb.push_text('rolled_back 2', '{"job": "r"}', '2023-11-15Z');
SELECT labels, n FROM stored('rolled_back');
SELECT tsdb.drop_storage();
SELECT tsdb.push_text('rolled_back 2', '{"job": "r"}', '2023-11-15Z');
SELECT labels, n FROM stored('rolled_back');
SELECT part, next_group, tenant_id FROM tsdb.parts;

-- ---- a tenant with several parts ----

INSERT INTO tsdb.tenant_parts VALUES ('default', 7), ('default', 5);
SELECT tsdb.push_text(string_agg(format('spread{job="j%s",instance="i%s",n="%s"} 1', i % 20, i % 20, i), E'\n') || E'\n', '{}', '2023-11-14Z')
  FROM generate_series(1, 100) i;
-- All series of a target are in one part, and the targets in all parts.
SELECT count(*), count(DISTINCT part) FROM tsdb.series WHERE labels OPERATOR(tsdb.->>) '__name__' = 'spread';
SELECT count(*) FROM (SELECT labels OPERATOR(tsdb.->>) 'instance' FROM tsdb.series WHERE labels OPERATOR(tsdb.->>) '__name__' = 'spread' GROUP BY 1 HAVING count(DISTINCT part) > 1) t;

\c :here
DROP DATABASE pgtsdb_ingest;
