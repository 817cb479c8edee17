-- Rows of head whose key somebody has taken find another one, on both ways into the table.
SET timezone = 'UTC';
SELECT tsdb.push_text(E'h_one 1\nh_two 2\n', '{"job":"h","instance":"1"}', '2026-03-01 00:00:00Z');
SELECT tsdb.push_text(E'h_two 2\n', '{"job":"h","instance":"1"}', '2026-03-01 00:00:15Z');
CREATE TEMP TABLE taken AS
    SELECT h.* FROM tsdb.head h JOIN tsdb.series s USING (part, group_id) WHERE labels OPERATOR(tsdb.->>) '__name__' = 'h_two' AND h.ts = 1772323215000;

-- Of eight later times every second n is taken, by rows of h_two; an n that a writer finds is free with one half.
INSERT INTO tsdb.head SELECT part, group_id, ts + t * 15000, n, flags, values
  FROM (SELECT part, group_id, ts, flags, values FROM taken) r, generate_series(1, 8) t, generate_series(0, 32767, 2) n;
SELECT sum(tsdb.push_text(format(E'h_one %s\n', t), '{"job":"h","instance":"1"}', '2026-03-01 00:00:15Z'::timestamptz + t * interval '15 s'))
  FROM generate_series(1, 8) t;
SELECT count(*), count(*) FILTER (WHERE h.n % 2 = 1) FROM tsdb.head h JOIN taken USING (part, group_id) WHERE h.ts > taken.ts;
SELECT ts, value FROM tsdb.samples('h_one', '2026-03-01 00:00:30Z', '2026-03-01 00:02:15Z') ORDER BY ts;

-- Nothing that was left behind by a row that had to move is seen by compaction.
CALL tsdb.compact(true);
SELECT count(*) FROM tsdb.head h JOIN taken USING (part, group_id);
SELECT metric, count(*), min(value), max(value) FROM (
    SELECT labels->>'__name__' AS metric, value FROM tsdb.samples('{job="h"}', '-infinity', 'infinity')) s GROUP BY 1 ORDER BY 1;

-- A trigger is served: a statement then writes the rows.
CREATE TABLE h_seen (ts int8);
CREATE FUNCTION h_see() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO public.h_seen VALUES (NEW.ts); RETURN NEW; END $$;
CREATE TRIGGER h_see BEFORE INSERT ON tsdb.head FOR EACH ROW EXECUTE FUNCTION h_see();
INSERT INTO tsdb.head SELECT part, group_id, ts + t * 15000, n, flags, values
  FROM (SELECT part, group_id, ts, flags, values FROM taken) r, generate_series(11, 14) t, generate_series(0, 32767, 2) n;
TRUNCATE h_seen;
SELECT sum(tsdb.push_text(format(E'h_one %s\n', t), '{"job":"h","instance":"1"}', '2026-03-01 00:00:15Z'::timestamptz + t * interval '15 s'))
  FROM generate_series(11, 14) t;
DROP TRIGGER h_see ON tsdb.head;
SELECT count(DISTINCT ts) FROM h_seen;
SELECT ts, value FROM tsdb.samples('h_one', '2026-03-01 00:02:30Z', '2026-03-01 00:04:00Z') ORDER BY ts;
CALL tsdb.compact(true);
SELECT tsdb.delete_series('{job="h"}');
DROP TABLE h_seen;
DROP FUNCTION h_see();

-- Series of one instance and time share a group whatever their job; of another time they do not, nor without an instance.
SELECT tsdb.push('{"samples": [
    {"metric": "h_a", "labels": {"job": "one", "instance": "x"}, "timestampMs": 1772323200000, "value": 1},
    {"metric": "h_b", "labels": {"job": "two", "instance": "x"}, "timestampMs": 1772323200000, "value": 1},
    {"metric": "h_c", "labels": {"job": "three", "instance": "x"}, "timestampMs": 1772323200001, "value": 1},
    {"metric": "h_d", "labels": {"job": "one"}, "timestampMs": 1772323200000, "value": 1},
    {"metric": "h_e", "labels": {"job": "two"}, "timestampMs": 1772323200000, "value": 1}]}')->'ingestedCount';
SELECT string_agg(labels OPERATOR(tsdb.->>) '__name__', ' ' ORDER BY labels OPERATOR(tsdb.->>) '__name__') FROM tsdb.series WHERE labels OPERATOR(tsdb.->>) '__name__' ~ '^h_[a-e]$' GROUP BY group_id ORDER BY 1;
-- Others of that scrape find the group later.
SELECT tsdb.push('{"samples": [
    {"metric": "h_f", "labels": {"job": "two", "instance": "x"}, "timestampMs": 1772323215000, "value": 1},
    {"metric": "h_g", "labels": {"job": "one", "instance": "x"}, "timestampMs": 1772323215000, "value": 1}]}')->'ingestedCount';
SELECT string_agg(labels OPERATOR(tsdb.->>) '__name__', ' ' ORDER BY labels OPERATOR(tsdb.->>) '__name__') FROM tsdb.series WHERE labels OPERATOR(tsdb.->>) '__name__' ~ '^h_[abfg]$' GROUP BY group_id ORDER BY 1;
