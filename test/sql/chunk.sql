-- The type tsdb.chunk and its functions.
SET search_path = tsdb, public;
SET timezone = 'UTC';
SET datestyle = 'ISO';
SET extra_float_digits = 1;

SELECT setseed(0.5);
CREATE TEMP TABLE s AS
SELECT '2026-11-21 10:00:00+00'::timestamptz + i * interval '15 s' AS ts, round(random()::numeric * 100, 2)::float8 AS value, i
  FROM generate_series(0, 479) i;
CREATE TEMP TABLE c (codec text, chunk chunk);
INSERT INTO c SELECT codec, chunk_agg(ts, value, codec) FROM s, unnest(ARRAY['auto', 'gorilla', 'bits']) codec GROUP BY codec;
INSERT INTO c SELECT 'default', chunk_agg(ts, value) FROM s;

-- What went in comes out, for every codec.
SELECT codec, count(*), count(*) FILTER (WHERE s.value = x.value) AS equal
  FROM c, chunk_samples(chunk) x JOIN s USING (ts) GROUP BY codec ORDER BY codec;
SELECT codec, model, exponent, samples FROM c, chunk_info(chunk) WHERE col = 0 ORDER BY codec;

-- The order of arrival does not matter; of two samples with one time the first stays; nulls are left out.
SELECT a.chunk = b.chunk AS same
  FROM (SELECT chunk_agg(ts, value ORDER BY random())::text AS chunk FROM s) a, (SELECT chunk_agg(ts, value ORDER BY ts)::text AS chunk FROM s) b;
SELECT * FROM chunk_samples((SELECT chunk_agg(ts, v ORDER BY i) FROM (VALUES
    (1, '2026-11-21 10:00:01.5'::timestamptz, 1::float8), (2, '2026-11-21 10:00:01.5', 2), (3, NULL, 3), (4, '2026-11-21 10:00:03', NULL),
    (5, '1969-12-31 23:59:59.9995', 4)) v(i, ts, v)));
SELECT chunk_agg(ts, value) IS NULL AS of_nothing FROM s WHERE false;
SELECT chunk_agg(ts, NULL) IS NULL AS of_nulls FROM s;

-- Values bit for bit.
SELECT value, float8send(value) AS bits FROM chunk_samples((SELECT chunk_agg('2026-11-21'::timestamptz + i * interval '1 s', v)
  FROM (VALUES (1, '-0'::float8), (2, 'NaN'), (3, 'Infinity'), (4, '-Infinity'), (5, 0.1), (6, 5e-324), (7, 9007199254740993)) v(i, v)));

-- Sizes: a constant, and two that grow steadily.
SELECT name, pg_column_size(chunk_agg('2026-11-21'::timestamptz + i * interval '15 s', v)) AS bytes
  FROM generate_series(1, 480) i, LATERAL (VALUES ('constant', 1::float8), ('counter', i * 7), ('hundredths', i * 0.01)) v(name, v) GROUP BY name ORDER BY name;
SELECT col, bytes, samples, model, exponent, predictor, coder, reference
  FROM chunk_info((SELECT chunk_agg('2026-11-21'::timestamptz + i * interval '15 s', i * i / 100.0) FROM generate_series(1, 480) i));

-- Text and binary form, there and back.
SELECT chunk_agg('2026-11-21'::timestamptz + i * interval '1 s', i) FROM generate_series(1, 4) i;
SELECT count(*) FROM c WHERE chunk::text::chunk::text = chunk::text;
SELECT chunk_send('\x0109040001e807d0efb8b6bf6806013102020007');
SELECT * FROM chunk_samples('\x0109040001e807d0efb8b6bf6806013102020007');
COPY (SELECT chunk FROM c) TO '/dev/null' (FORMAT binary);
CREATE TEMP TABLE b (chunk chunk);
COPY b FROM PROGRAM 'printf "PGCOPY\n\377\r\n\000\000\000\000\000\000\000\000\000\000\001\000\000\000\024\001\011\004\000\001\350\007\320\357\270\266\277\150\006\001\061\002\002\000\007\377\377"' (FORMAT binary);
SELECT chunk FROM b;
COPY b FROM PROGRAM 'printf "PGCOPY\n\377\r\n\000\000\000\000\000\000\000\000\000\000\001\000\000\000\023\001\011\004\000\001\350\007\320\357\270\266\277\150\006\001\061\002\002\000\377\377"' (FORMAT binary);
COPY b FROM PROGRAM 'printf "PGCOPY\n\377\r\n\000\000\000\000\000\000\000\000\000\000\001\000\000\000\024\001\011\004\000\001\350\007\320\357\270\266\277\150\006\001\061\002\002\000\010\377\377"' (FORMAT binary);

-- A chunk with several columns, as tsdb.chunks has them: its first time comes from outside.
SELECT * FROM chunk_samples('\x01010400 02e807 0602 090102010052 000e'::chunk, 1000) ORDER BY col, ts;
SELECT col, bytes, samples, model FROM chunk_info('\x01010400 02e807 0602 090102010052 000e');

-- Wrong input.
SELECT chunk_agg(ts, value, 'zip') FROM s;
SELECT chunk_samples('\x0101040002e8070602090102010052000e'::chunk);
SELECT chunk_agg('infinity', 1);
SELECT chunk_agg('2026-11-21'::timestamptz + i * interval '1 s', i) FROM generate_series(1, 8192) i;
SELECT '\x0201'::chunk;
SELECT '\x0101040002e8070602090102010052000e00'::chunk;
SELECT '\x0101010001000203'::chunk;
SELECT '\x010101000100030a0000'::chunk;
\set VERBOSITY sqlstate
SELECT ''::chunk;
SELECT 'hello'::chunk;
SELECT '\x0101040002e8070602090102010053000e'::chunk;
SELECT '\x010101000100030a0000'::chunk;
SELECT * FROM chunk_samples('\x0101040002e8070602090102010052000e'::chunk, 9223372036854775807);
SELECT * FROM chunk_samples('\x0101040002e8070602090102010052000e'::chunk, 9223372036854770000);
SELECT chunk_agg(ts, value) FROM generate_series(1, 40) i, s;
