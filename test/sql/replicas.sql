-- Of two senders that write the same series one is stored; what the other sends is held, and stored when it is elected.
SELECT current_database() AS here \gset
CREATE DATABASE pgtsdb_replicas ENCODING 'UTF8' LOCALE 'C' TEMPLATE template0;
\c pgtsdb_replicas
CREATE EXTENSION pgtsdb;
SET timezone = 'UTC';
\set SHOW_CONTEXT never
\pset null -

-- Bodies of both versions: protobuf in a snappy block of one literal.
CREATE FUNCTION varint(n bigint) RETURNS bytea LANGUAGE sql IMMUTABLE AS $$
    WITH RECURSIVE bytes (n, b) AS (
        SELECT n, ''::bytea
        UNION ALL
        SELECT CASE WHEN n > 127 THEN n >> 7 END, b || set_byte('\x00', 0, (n & 127)::int | CASE WHEN n > 127 THEN 128 ELSE 0 END)
          FROM bytes WHERE n IS NOT NULL
    )
    SELECT b FROM bytes WHERE n IS NULL $$;
CREATE FUNCTION field(tag int, content bytea) RETURNS bytea LANGUAGE sql IMMUTABLE AS
$$ SELECT set_byte('\x00', 0, tag * 8 + 2) || varint(length(content)) || content $$;
CREATE FUNCTION reverse(bytea) RETURNS bytea LANGUAGE sql IMMUTABLE AS
$$ SELECT string_agg(substr($1, i, 1), '' ORDER BY i DESC) FROM generate_series(1, length($1)) i $$;
CREATE FUNCTION snappy(content bytea) RETURNS bytea LANGUAGE sql IMMUTABLE AS
$$ SELECT varint(length(content)) || '\xf8'::bytea || reverse(substr(int4send(length(content) - 1), 2)) || content $$;
-- Times are in seconds after the base, so that the limits of a session can be tried.
CREATE TABLE base AS SELECT date_trunc('minute', now()) AS t;
CREATE FUNCTION ms(seconds float8) RETURNS bigint LANGUAGE sql STABLE AS
$$ SELECT (extract(epoch FROM t) * 1000)::bigint + (seconds * 1000)::bigint FROM base $$;
CREATE FUNCTION seconds(ts timestamptz) RETURNS int LANGUAGE sql STABLE AS
$$ SELECT round(extract(epoch FROM ts - t))::int FROM base $$;
CREATE FUNCTION sample(seconds float8, v float8) RETURNS bytea LANGUAGE sql STABLE AS
$$ SELECT field(2, '\x09' || reverse(float8send(v)) || '\x10' || varint(ms(seconds))) $$;
CREATE FUNCTION series(labels jsonb, times float8[], v float8) RETURNS bytea LANGUAGE sql STABLE AS
$$ SELECT field(1, (SELECT string_agg(field(1, field(1, convert_to(key, 'UTF8')) || field(2, convert_to(value, 'UTF8'))), '' ORDER BY key)
                      FROM jsonb_each_text(labels))
                 || (SELECT string_agg(sample(t, v), '' ORDER BY i) FROM unnest(times) WITH ORDINALITY u (t, i))) $$;
-- A replica sends two series of a target; the value tells who it was.
CREATE FUNCTION send(replica text, VARIADIC times float8[]) RETURNS bigint LANGUAGE sql AS $$
    SELECT tsdb.remote_write(snappy(string_agg(series(jsonb_build_object('__name__', 'm', 'i', i, 'job', 'node', 'cluster', 'east',
                                                                         '__replica__', replica), times, ascii(replica)), '')))
      FROM generate_series(1, 2) i $$;
CREATE FUNCTION stored() RETURNS TABLE (series text, samples text) LANGUAGE sql AS $$
    SELECT tsdb.series_name(labels), string_agg(seconds(ts) || chr(value::int), ' ' ORDER BY ts)
      FROM tsdb.samples('{__name__!=""}', (SELECT t - interval '2 days' FROM base), (SELECT t + interval '2 days' FROM base)) GROUP BY 1 ORDER BY 1 $$;
-- Time passes.
CREATE FUNCTION pass(seconds float8) RETURNS void LANGUAGE sql AS
$$ UPDATE tsdb.replica_elections SET received_at = received_at - make_interval(secs => seconds) $$;
CREATE FUNCTION replicas() RETURNS TABLE (cluster text, replica text, elected boolean, newest int, waiting bigint) LANGUAGE sql AS
$$ SELECT cluster, replica, elected, seconds(newest), waiting FROM tsdb.replicas ORDER BY 1, 2 $$;

-- ---- without a row of replica_pairs labels are labels ----

SELECT send('a', -600);
SELECT * FROM stored();
SELECT tsdb.delete_series('{__name__="m"}');
SELECT count(*) FROM tsdb.replicas;

-- ---- one is elected, the other held ----

INSERT INTO tsdb.replica_pairs DEFAULT VALUES;
SELECT send('a', -300);
SELECT send('b', -295);
SELECT send('a', -285, -270);
SELECT send('b', -280, -265, -250);
SELECT * FROM stored();
SELECT * FROM replicas();
-- The same series as of a sender that has no such label.
SELECT tsdb.remote_write(snappy(series('{"__name__": "m", "i": "1", "job": "node", "cluster": "east"}', '{-255}', 120)));
SELECT * FROM stored();
SELECT count(*) AS live FROM tsdb.series WHERE gone_at IS NULL;

-- ---- the elected one falls silent: the other goes on where it ended, series by series ----

-- One more sample of one series: its other shard did not get that far.
SELECT tsdb.remote_write(snappy(series('{"__name__": "m", "i": "1", "job": "node", "cluster": "east", "__replica__": "a"}', '{-248}', 97)));
SELECT pass(20);
SELECT send('b', -235);
SELECT pass(20);
SELECT send('b', -220);
SELECT * FROM stored();
SELECT * FROM replicas();
SELECT count(*) FROM tsdb.held_writes;
SELECT replica, elections, seconds(handover_from), seconds(handover_to) FROM tsdb.replica_elections;

-- The former one comes back: it is held.  So is a third.
SELECT send('a', -240, -225, -210);
SELECT send('c', -222, -207);
SELECT send('b', -205);
SELECT * FROM stored();
SELECT * FROM replicas();

-- What the elected one has come past is dropped, when it says again that it is there.
SELECT pass(10);
SELECT send('b', -190);
SELECT * FROM replicas();
SELECT pass(10);
SELECT send('b', -100);
SELECT * FROM replicas();

-- One that is far behind is elected: it stores nothing where others have been.
SELECT pass(100);
SELECT send('c', -192, -177, -130, -115, -102, -90);
SELECT send('c', -101, -85);
SELECT * FROM stored();

-- ---- odd requests ----

-- Without one of the labels, or with an empty one: as they come.
SELECT tsdb.remote_write(snappy(series('{"__name__": "odd", "cluster": "east"}', '{-60}', 120)));
SELECT tsdb.remote_write(snappy(series('{"__name__": "odd", "__replica__": "a"}', '{-60}', 120)));
SELECT tsdb.remote_write(snappy(series('{"__name__": "odd", "cluster": "", "__replica__": "a", "x": "1"}', '{-60}', 120)));
-- The first series decides for all; what has no label loses none.
SELECT tsdb.remote_write(snappy(series('{"__name__": "odd", "cluster": "west", "__replica__": "a"}', '{-60}', 120) ||
                                series('{"__name__": "odd", "cluster": "west", "y": "1"}', '{-60}', 120) ||
                                series('{"__name__": "odd", "cluster": "far", "__replica__": "b"}', '{-60}', 120)));
-- Only metadata; nothing at all.
SELECT tsdb.remote_write(snappy(field(3, '\x0801' || field(2, 'odd'))));
SELECT tsdb.remote_write('\x00');
-- Version 2: held, and stored out of what is held.
CREATE FUNCTION send_v2(replica text, t float8) RETURNS bigint LANGUAGE sql AS $$
    SELECT samples FROM tsdb.remote_write_v2(snappy(field(4, '') || field(4, '__name__') || field(4, 'odd2') || field(4, 'cluster') || field(4, 'v2') ||
        field(4, '__replica__') || field(4, convert_to(replica, 'UTF8')) || field(5, field(1, '\x010203040506') || sample(t, ascii(replica))))) $$;
SELECT send_v2('a', -60);
SELECT send_v2('b', -55);
SELECT pass(40);
SELECT send_v2('b', -40);
SELECT * FROM stored() WHERE series LIKE 'odd%';
SELECT * FROM replicas();

-- Bodies that are none are refused of every replica; labels that cannot be keys too.
SELECT tsdb.remote_write(snappy(series('{"__name__": "m", "cluster": "east", "__replica__": "z"}', '{-60}', 1) || '\x0a7f'));
\echo :SQLSTATE
SELECT tsdb.remote_write(snappy(series(jsonb_build_object('__name__', 'm', 'cluster', repeat('x', 257), '__replica__', 'z'), '{-60}', 1)));
\echo :SQLSTATE
SELECT tsdb.remote_write(snappy(field(1, field(1, field(1, 'cluster') || field(2, '\xff')) || field(1, field(1, '__replica__') || field(2, 'z')) || sample(-60, 1))));
\echo :SQLSTATE
SELECT tsdb.remote_write(snappy(field(1, field(1, field(1, 'cluster') || field(2, 'east')) || field(1, field(1, '__replica__') || field(2, '\x7a00')) || sample(-60, 1))));
\echo :SQLSTATE
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT send('b', -50);
ROLLBACK;
-- Times that no timestamp can say.
SELECT tsdb.remote_write(snappy(series('{"__name__": "early", "cluster": "east", "__replica__": "b"}', '{-20000000000}', 1)));
SELECT tsdb.remote_write(snappy(field(1, field(1, field(1, '__name__') || field(2, 'late')) || field(1, field(1, 'cluster') || field(2, 'east')) ||
    field(1, field(1, '__replica__') || field(2, 'b')) || field(2, '\x10ffffffffffffffff7f'))));
SELECT cluster, replica, elected, waiting FROM replicas() WHERE cluster = 'east';

-- ---- limits ----

UPDATE tsdb.replica_pairs SET max_clusters = 3;
SELECT tsdb.remote_write(snappy(series('{"__name__": "m", "cluster": "one more", "__replica__": "z"}', '{-60}', 1)));
\echo :SQLSTATE
UPDATE tsdb.replica_elections SET received_at = received_at - interval '2 days' WHERE cluster = 'v2';
SELECT tsdb.remote_write(snappy(series('{"__name__": "m", "cluster": "one more", "__replica__": "z"}', '{-60}', 1)));
UPDATE tsdb.replica_pairs SET max_held_bytes = 100;
\c
SET timezone = 'UTC';
\set SHOW_CONTEXT never
\pset null -
SELECT send('a', -40);
\echo :SQLSTATE
SELECT cluster, replica, elected, waiting, accepted, held, taken, dropped, refused FROM tsdb.replicas ORDER BY 1, 2;
UPDATE tsdb.replica_pairs SET failover_timeout = '1 month';
UPDATE tsdb.replica_pairs SET replica_label = 'cluster';
UPDATE tsdb.replica_pairs SET cluster_label = 'dc', replica_label = 'who', max_held_bytes = 1000000;

-- Other labels.
UPDATE tsdb.replica_pairs SET max_clusters = 100;
SELECT tsdb.remote_write(snappy(series('{"__name__": "named", "dc": "x", "who": "a", "__replica__": "z"}', '{-60}', 120)));
SELECT tsdb.remote_write(snappy(series('{"__name__": "named", "dc": "x", "who": "b", "__replica__": "z"}', '{-59}', 120)));
SELECT * FROM stored() WHERE series LIKE 'named%';

-- ---- limits on time are those of the moment in which a request came ----

SET pgtsdb.ingest_max_age = '10min';
SELECT tsdb.remote_write(snappy(series('{"__name__": "aged", "dc": "y", "who": "a"}', '{-300}', 120)));
SELECT tsdb.remote_write(snappy(series('{"__name__": "aged", "dc": "y", "who": "b"}', '{-290}', 121)));
UPDATE tsdb.held_writes SET received_at = received_at - interval '6 minutes' WHERE cluster = 'y';
SELECT pass(600);
SET pgtsdb.ingest_max_age = '5min';
SELECT tsdb.remote_write(snappy(series('{"__name__": "aged", "dc": "y", "who": "b"}', '{-100}', 121)));
SELECT * FROM stored() WHERE series LIKE 'aged%';
RESET pgtsdb.ingest_max_age;

-- ---- who sees what ----

CREATE ROLE regress_tsdb_replicas_other;
CREATE ROLE regress_tsdb_replicas_reader;
INSERT INTO tsdb.tenant_members (role_name, tenant_id) VALUES ('regress_tsdb_replicas_reader', 'default');
SET ROLE regress_tsdb_replicas_other;
SELECT count(*) FROM tsdb.replicas;
SET ROLE regress_tsdb_replicas_reader;
SELECT count(*) > 0 AS sees FROM tsdb.replicas;
SELECT body FROM tsdb.held_writes;
UPDATE tsdb.replica_pairs SET max_clusters = 1;
DELETE FROM tsdb.held_writes;
RESET ROLE;
SELECT count(*) > 0 AS still_there FROM tsdb.held_writes;

-- ---- samples that were compacted are seen by a handover ----

DELETE FROM tsdb.replica_pairs;
SELECT count(*) FROM tsdb.replica_elections;
DELETE FROM tsdb.held_writes;
INSERT INTO tsdb.replica_pairs (overlap) VALUES ('1 hour');
SELECT tsdb.remote_write(snappy(series('{"__name__": "packed", "cluster": "p", "__replica__": "a"}', '{-3000, -2000, -1000}', 97)));
CALL tsdb.compact(true);
SELECT tsdb.remote_write(snappy(series('{"__name__": "packed", "cluster": "p", "__replica__": "b"}', '{-2990, -1990, -990}', 98)));
SELECT pass(60);
SELECT tsdb.remote_write(snappy(series('{"__name__": "packed", "cluster": "p", "__replica__": "b"}', '{-500}', 98)));
SELECT * FROM stored() WHERE series LIKE 'packed%';

SELECT tsdb.drop_storage();
DROP OWNED BY regress_tsdb_replicas_other, regress_tsdb_replicas_reader;
\c :here
DROP DATABASE pgtsdb_replicas;
DROP ROLE regress_tsdb_replicas_other, regress_tsdb_replicas_reader;
