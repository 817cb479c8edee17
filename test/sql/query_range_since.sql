-- tsdb.api_query_range_since(): what was answered before holds until somebody changes the past, and notes of that in tsdb.late_writes.
SET timezone = 'UTC';
SET datestyle = 'ISO';
CREATE TEMP TABLE base AS SELECT date_trunc('minute', now()) - interval '2 h' AS t0;
SELECT t0 FROM base \gset
SELECT count(*) FROM (
    SELECT tsdb.push_text(format(E'kept_total{n="1"} %s\nkept_total{n="2"} %s\n', i, i * 2), '{}', :'t0'::timestamptz + i * interval '1 min')
      FROM generate_series(0, 60) i) pushed;
-- What is asked, and in minutes after t0 what comes back: where the answer begins, how many minutes before now steps may be kept.
CREATE FUNCTION pg_temp.ask(query text, from_minute int, to_minute int, kept bytea, kept_from int, kept_to int,
                            OUT answer text, OUT answer_from numeric, OUT mark bytea, OUT age numeric) LANGUAGE sql AS $$
    SELECT s.answer::text, round(extract(epoch FROM s.answer_from - t.t0) / 60), s.mark,
           round(extract(epoch FROM clock_timestamp() - s.keep_before) / 60)
      FROM base t,
           tsdb.api_query_range_since(query, t0 + from_minute * interval '1 min', t0 + to_minute * interval '1 min', '1 min', NULL, kept,
                                      t0 + kept_from * interval '1 min', t0 + kept_to * interval '1 min') s $$;
CREATE FUNCTION pg_temp.whole(query text, from_minute int, to_minute int) RETURNS text LANGUAGE sql AS $$
    SELECT tsdb.api_query_range(query, t0 + from_minute * interval '1 min', t0 + to_minute * interval '1 min', '1 min')::text
      FROM base t $$;

-- Without a mark all of it is answered.
SELECT answer = pg_temp.whole('rate(kept_total[5m])', 0, 60) AS same, answer_from, mark IS NOT NULL AS marked, age, mark
  FROM pg_temp.ask('rate(kept_total[5m])', 0, 60, NULL, NULL, NULL) \gset
SELECT :'same' AS same, :answer_from AS answer_from, :'marked' AS marked, :age AS age;

-- The same again, a part of it, and more: what is there holds, and two steps are evaluated at least.
SELECT answer, answer_from, mark IS NOT NULL AS marked, age FROM pg_temp.ask('rate(kept_total[5m])', 0, 60, :'mark', 0, 60);
SELECT answer, answer_from FROM pg_temp.ask('rate(kept_total[5m])', 10, 50, :'mark', 0, 60);
SELECT answer = pg_temp.whole('rate(kept_total[5m])', 60, 61) AS same, answer_from FROM pg_temp.ask('rate(kept_total[5m])', 0, 61, :'mark', 0, 60);
SELECT answer = pg_temp.whole('rate(kept_total[5m])', 61, 70) AS same, answer_from FROM pg_temp.ask('rate(kept_total[5m])', 20, 70, :'mark', 0, 60);

-- Not for another query, step, or time; and a mark is no more than a mark.
SELECT answer_from FROM pg_temp.ask('rate(kept_total[6m])', 0, 60, :'mark', 0, 60);
SELECT answer_from FROM pg_temp.ask('rate(kept_total[5m])', 0, 60, :'mark', 10, 60);
SELECT answer_from FROM pg_temp.ask('rate(kept_total[5m])', 80, 90, :'mark', 0, 60);
SET pgtsdb.query_lookback = '1min';
SELECT answer_from FROM pg_temp.ask('rate(kept_total[5m])', 0, 60, :'mark', 0, 60);
RESET pgtsdb.query_lookback;
SELECT s.answer_from = :'t0'::timestamptz FROM tsdb.api_query_range_since('rate(kept_total[5m])', :'t0', :'t0'::timestamptz + interval '1 h',
    '30 s', NULL, :'mark', :'t0', :'t0'::timestamptz + interval '1 h') s;
SELECT bool_and(s.answer_from = 0) AS nothing_holds
  FROM (VALUES (''::bytea), ('\x00'), (decode(repeat('00', 32), 'hex')), (decode(repeat('ff', 32), 'hex')), (decode(repeat('ff', 40), 'hex')),
               (decode(repeat('00', 4000), 'hex')), (substr(:'mark'::bytea, 1, 31)), (:'mark'::bytea || '\x00'),
               (set_byte(:'mark', 0, get_byte(:'mark', 0) # 1)), (set_byte(:'mark', 15, 127)), (set_byte(:'mark', 24, 70))) m (mark),
       LATERAL pg_temp.ask('rate(kept_total[5m])', 0, 60, m.mark, 0, 60) s;

-- A late sample changes the steps from its time on, and is noted; a fresh one is not, nor one that is there already.
TRUNCATE tsdb.late_writes;
SELECT tsdb.push_text(E'kept_total{n="3"} 1\n', '{}', :'t0'::timestamptz + interval '30 min 10 s');
SELECT part, (t_min - extract(epoch FROM :'t0'::timestamptz) * 1000)::int / 1000 AS t_min,
       (t_max - extract(epoch FROM :'t0'::timestamptz) * 1000)::int / 1000 AS t_max FROM tsdb.late_writes;
SELECT answer = pg_temp.whole('rate(kept_total[5m])', 31, 60) AS same, answer_from FROM pg_temp.ask('rate(kept_total[5m])', 0, 60, :'mark', 0, 60);
SELECT answer_from FROM pg_temp.ask('rate(kept_total[5m])', 0, 30, :'mark', 0, 60);
-- and none that begin when no window reaches it any more
SELECT answer_from FROM pg_temp.ask('rate(kept_total[5m])', 36, 60, :'mark', 36, 60);
SELECT mark FROM pg_temp.ask('rate(kept_total[5m])', 0, 60, NULL, NULL, NULL) \gset
SELECT answer_from FROM pg_temp.ask('rate(kept_total[5m])', 0, 60, :'mark', 0, 60);
SELECT tsdb.push_text(E'kept_total{n="3"} 1\n', '{}', :'t0'::timestamptz + interval '30 min 10 s'),
       tsdb.push_text(E'kept_total{n="3"} 1\n', '{}', clock_timestamp());
SELECT count(*) FROM tsdb.late_writes;
SELECT answer_from FROM pg_temp.ask('rate(kept_total[5m])', 0, 60, :'mark', 0, 60);

-- Nobody knows of it before the commit, and its own transaction gets no mark.
BEGIN;
SELECT tsdb.push_text(E'kept_total{n="4"} 1\n', '{}', :'t0'::timestamptz + interval '40 min');
SELECT count(*) FROM tsdb.late_writes;
SELECT answer_from, mark FROM pg_temp.ask('rate(kept_total[5m])', 0, 60, :'mark', 0, 60);
ROLLBACK;
SELECT answer_from FROM pg_temp.ask('rate(kept_total[5m])', 0, 60, :'mark', 0, 60);
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT answer_from, mark FROM pg_temp.ask('rate(kept_total[5m])', 0, 60, :'mark', 0, 60);
COMMIT;

-- Savepoints: one note of the transaction, which covers all that stayed.
BEGIN;
SAVEPOINT a;
SELECT tsdb.push_text(E'kept_total{n="4"} 1\n', '{}', :'t0'::timestamptz + interval '50 min');
RELEASE a;
SAVEPOINT b;
SELECT tsdb.push_text(E'kept_total{n="4"} 1\n', '{}', :'t0'::timestamptz + interval '45 min');
ROLLBACK TO b;
COMMIT;
SELECT count(*), count(DISTINCT xid) FROM tsdb.late_writes;
SELECT answer_from <= 50 AS cut, pg_temp.whole('kept_total{n="4"}', 0, 60) LIKE '%"n":"4"%' AS there
  FROM pg_temp.ask('rate(kept_total[5m])', 0, 60, :'mark', 0, 60);

-- Deletion, of what is old and of what is young.
SELECT mark FROM pg_temp.ask('rate(kept_total[5m])', 0, 60, NULL, NULL, NULL) \gset
SELECT tsdb.delete_series('kept_total{n="2"}', :'t0'::timestamptz + interval '20 min', :'t0'::timestamptz + interval '25 min');
SELECT answer = pg_temp.whole('rate(kept_total[5m])', 20, 60) AS same, answer_from FROM pg_temp.ask('rate(kept_total[5m])', 0, 60, :'mark', 0, 60);
SELECT answer_from FROM pg_temp.ask('rate(kept_total[5m])', 31, 60, :'mark', 31, 60);
SELECT mark FROM pg_temp.ask('rate(kept_total[5m])', 0, 60, NULL, NULL, NULL) \gset
SELECT tsdb.delete_series('kept_total{n="3"}');
SELECT answer_from FROM pg_temp.ask('rate(kept_total[5m])', 0, 60, :'mark', 0, 60);

-- A mark that is older than the notes that are removed counts for nothing.
SELECT mark FROM pg_temp.ask('kept_total', 0, 60, NULL, NULL, NULL) \gset
INSERT INTO tsdb.late_writes_state (id, server, horizon, removed_xid)
VALUES (1, 0, 0, pg_snapshot_xmin(pg_current_snapshot())::text::bigint);
SELECT answer_from FROM pg_temp.ask('kept_total', 0, 60, :'mark', 0, 60);
UPDATE tsdb.late_writes_state SET removed_xid = pg_snapshot_xmin(pg_current_snapshot())::text::bigint;
SELECT answer_from FROM pg_temp.ask('kept_total', 0, 60, :'mark', 0, 60);
DELETE FROM tsdb.late_writes_state;

-- Compaction changes nothing.
SELECT mark FROM pg_temp.ask('kept_total', 0, 60, NULL, NULL, NULL) \gset
CALL tsdb.compact(true);
SELECT answer_from FROM pg_temp.ask('kept_total', 0, 60, :'mark', 0, 60);

-- Retention: expired partitions, and expired samples that compaction leaves out; other times are not concerned.
SELECT tsdb.create_tenant('kept_tenant') > 0 AS made;
SET pgtsdb.tenant = 'kept_tenant';
INSERT INTO tsdb.retention_policies (tenant_id, retention) VALUES ('kept_tenant', '30 days');
CREATE FUNCTION pg_temp.load(days int) RETURNS bigint LANGUAGE sql AS $$
    SELECT count(tsdb.push_text(E'kept_old 1\n', '{}', t0 - days * interval '1 day' + i * interval '1 min')) FROM base, generate_series(0, 30) i $$;
CREATE FUNCTION pg_temp.ask_old(days int, kept bytea, OUT points bigint, OUT held boolean, OUT mark bytea) LANGUAGE sql AS $$
    SELECT (n), answer_from IS NULL, s.mark FROM base, LATERAL tsdb.api_query_range_since('kept_old', t0 - days * interval '1 day',
        t0 - days * interval '1 day' + interval '30 min', '1 min', NULL, kept, t0 - days * interval '1 day',
        t0 - days * interval '1 day' + interval '30 min') s,
        LATERAL (SELECT count(*) FROM regexp_matches(s.answer::text, ',"1"', 'g')) c (n) $$;
SELECT pg_temp.load(20), pg_temp.load(1);
CALL tsdb.compact(true);
SELECT mark FROM pg_temp.ask_old(20, NULL) \gset
SELECT mark AS mark_1 FROM pg_temp.ask_old(1, NULL) \gset
SELECT points, held FROM pg_temp.ask_old(20, :'mark');
UPDATE tsdb.retention_policies SET retention = '10 days' WHERE tenant_id = 'kept_tenant';
CALL tsdb.apply_retention();
SELECT points, held FROM pg_temp.ask_old(20, :'mark');
SELECT points, held FROM pg_temp.ask_old(1, :'mark_1');
SELECT pg_temp.load(15);
SELECT points, mark FROM pg_temp.ask_old(15, NULL) \gset
SELECT :points AS points;
CALL tsdb.compact(true);
SELECT points, held FROM pg_temp.ask_old(15, :'mark');
SELECT held FROM pg_temp.ask_old(1, :'mark_1');
SELECT tsdb.delete_series('kept_old');
RESET pgtsdb.tenant;
DELETE FROM tsdb.retention_policies WHERE tenant_id = 'kept_tenant';
DELETE FROM tsdb.tenant_parts WHERE tenant_id = 'kept_tenant';
DELETE FROM tsdb.parts WHERE tenant_id = 'kept_tenant';
DELETE FROM tsdb.tenants WHERE tenant_id = 'kept_tenant';

-- What depends on more than its step, or looks ahead, is answered whole and not to be kept.
SELECT q, answer_from, mark IS NOT NULL AS marked FROM unnest(ARRAY[
    'kept_total @ end()', 'kept_total @ 0', 'kept_total offset -1m', 'rate(kept_total[range()])', 'max_over_time(label_replace(kept_total, "__name__", "$1", "n", "(.*)")[5m:])',
    'rate({n="1"}[5m])', 'rate((kept_total or kept_other)[5m:1m])', 'sum(rate(kept_total smoothed[5m]))',
    'end() + 0', 'max_over_time(kept_total[5m:range()])', 'kept_total offset (0 - 1m)',
    'sum({n="1"})', 'label_replace(kept_total, "a", "$1", "n", "(.*)")', 'sum(rate(kept_total[5m])) or vector(0)', 'kept_total offset 5m', 'topk(1, kept_total)', 'rate(kept_total[step() * 5])',
    'max_over_time(sum(rate(kept_total[5m]))[10m:1m])', 'time()', 'absent(kept_total)', '1']) q,
    LATERAL pg_temp.ask(q, 0, 60, NULL, NULL, NULL);
SELECT answer::json->>'status' AS status, mark IS NOT NULL AS marked FROM pg_temp.ask('kept_total', 0, 0, NULL, NULL, NULL);

-- Errors are answers as of tsdb.api_query_range().
SELECT answer, mark FROM pg_temp.ask('kept_total[', 0, 60, NULL, NULL, NULL);
SELECT answer FROM pg_temp.ask('kept_total', 60, 0, NULL, NULL, NULL);
SELECT answer FROM pg_temp.ask('kept_total[5m]', 0, 60, NULL, NULL, NULL);
SELECT tsdb.api_query_range_since(NULL, now(), now(), '1 min') IS NULL AS nothing;
CREATE ROLE kept_nobody;
SET ROLE kept_nobody;
SELECT * FROM tsdb.api_query_range_since('kept_total', now() - interval '1 h', now(), '1 min', NULL, :'mark', now() - interval '1 h', now());
RESET ROLE;
DROP ROLE kept_nobody;
SELECT tsdb.delete_series('{__name__=~"kept_.*"}') > 0 AS deleted;
