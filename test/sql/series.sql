-- Rows of tsdb.series: found by their labels, made without the executor and with it.
\set ECHO queries
SET client_min_messages = warning;
SELECT tsdb.create_storage();
CREATE FUNCTION pg_temp.write(variadic metrics text[]) RETURNS bigint LANGUAGE sql AS $$
    SELECT sum(tsdb.push_text(metric || E' 1\n', '{"job":"s","instance":"1"}', '2026-05-01 00:00:00Z')) FROM unnest(metrics) metric $$;
CREATE VIEW pg_temp.rows AS
    SELECT labels OPERATOR(tsdb.->>) '__name__' AS name, count(*), count(DISTINCT (group_id, col)) AS columns, count(gone_at) AS gone
      FROM tsdb.series WHERE labels OPERATOR(tsdb.->>) '__name__' ~ '^s_' GROUP BY 1;

-- Label sets with the same hash are series of their own: the labels decide.
SELECT pg_temp.write('s_one', 's_two');
SELECT hash AS two FROM tsdb.series WHERE labels OPERATOR(tsdb.->>) '__name__' = 's_two' \gset
SELECT tsdb.delete_series('s_two');
UPDATE tsdb.series SET hash = :two WHERE labels OPERATOR(tsdb.->>) '__name__' = 's_one';
SELECT pg_temp.write('s_two'), pg_temp.write('s_two');
SELECT name, count, columns, gone FROM pg_temp.rows ORDER BY 1;
SELECT labels, value FROM tsdb.samples('{__name__=~"s_.*"}', '-infinity', 'infinity') ORDER BY 1;
SELECT count(DISTINCT hash) FROM tsdb.series WHERE labels OPERATOR(tsdb.->>) '__name__' ~ '^s_';

-- Many at once, long ones among them, in all indexes.
SELECT tsdb.push_text(string_agg(format(E's_many{n="%s",long="%s"} 1\n', n, CASE WHEN n % 50 = 0 THEN repeat('Xy', n * 20) ELSE 'x' END), ''),
                      '{"job":"s","instance":"2"}', '2026-05-01 00:00:00Z') FROM generate_series(1, 1000) n;
SELECT name, count, columns FROM pg_temp.rows WHERE name = 's_many';
SET enable_seqscan = off;
SELECT count(*) FROM tsdb.series WHERE part = 1 AND labels OPERATOR(tsdb.@@) 's_many{n=~".*50"}';
SELECT count(*) FROM tsdb.series WHERE part = 1 AND labels OPERATOR(tsdb.@@) 's_many{long!="x"}';
SELECT count(*) FROM tsdb.series s WHERE EXISTS (SELECT FROM tsdb.series x WHERE (x.part, x.hash) = (s.part, s.hash) AND x.gone_at IS NULL)
   AND EXISTS (SELECT FROM tsdb.series x WHERE (x.part, x.group_id, x.col) = (s.part, s.group_id, s.col))
   AND labels OPERATOR(tsdb.->>) '__name__' = 's_many';
RESET enable_seqscan;
SELECT tsdb.label_index_check('tsdb.series_labels_idx') >= 1000 AS checked;

-- A trigger, or an index more, is served: a statement then makes the rows.
CREATE TABLE s_seen (labels tsdb.labels);
CREATE FUNCTION s_see() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO public.s_seen VALUES (NEW.labels); RETURN NEW; END $$;
CREATE TRIGGER s_see BEFORE INSERT ON tsdb.series FOR EACH ROW EXECUTE FUNCTION s_see();
SELECT pg_temp.write('s_trigger');
DROP TRIGGER s_see ON tsdb.series;
TABLE s_seen;
CREATE INDEX s_more ON tsdb.series (created_at);
SELECT pg_temp.write('s_index');
DROP INDEX tsdb.s_more;
SELECT pg_temp.write('s_neither', 's_trigger', 's_index');
SELECT name, count, columns FROM pg_temp.rows WHERE name IN ('s_trigger', 's_index', 's_neither') ORDER BY 1;

-- What is rolled back is in no index to be found.
BEGIN;
SELECT pg_temp.write('s_undone');
ROLLBACK;
SELECT pg_temp.write('s_undone');
SELECT name, count, columns FROM pg_temp.rows WHERE name = 's_undone';
SELECT tsdb.delete_series('{job="s"}') > 1000 AS deleted;
TABLE pg_temp.rows;
DROP TABLE s_seen;
DROP FUNCTION s_see();
