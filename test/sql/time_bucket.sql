-- tsdb.time_bucket() answers as TimescaleDB's does.
SET timezone = 'Europe/Berlin';
SET datestyle = 'ISO';
-- Spans start on Monday 2000-01-03 in UTC, whatever the time zone of the session.
SELECT width, tsdb.time_bucket(width, t) AT TIME ZONE 'UTC' AS start
  FROM (VALUES (timestamptz '2026-03-29 12:34:56.789Z')) v (t),
       unnest('{1 us,100 ms,15 s,300.000s,7 min,1 h,1 d,7 d,2 weeks,1 day 12 h,36 h}'::interval[]) width;
SELECT to_char(tsdb.time_bucket('1 week', timestamptz '2000-01-02 23:59Z') AT TIME ZONE 'UTC', 'Dy YYYY-MM-DD HH24:MI') AS before,
       to_char(tsdb.time_bucket('1 week', timestamptz '2000-01-03 00:00Z') AT TIME ZONE 'UTC', 'Dy YYYY-MM-DD HH24:MI') AS at;
-- Months start on 2000-01-01, years and longer too.
SELECT width, t AT TIME ZONE 'UTC' AS t, tsdb.time_bucket(width, t) AT TIME ZONE 'UTC' AS start
  FROM unnest('{1 month,3 months,5 months,1 year,10 years,1 century}'::interval[]) width,
       unnest('{2026-03-31 23:59:59.999999Z,1999-12-31 23:59Z,0044-03-15 12:00Z BC}'::timestamptz[]) t ORDER BY 1, 2;
-- With an origin of one's own, which may be behind the time.
SELECT tsdb.time_bucket('1 week', '2026-03-29 12:00Z', '2000-01-02Z') AT TIME ZONE 'UTC' AS sundays,
       tsdb.time_bucket('10 min', '2026-03-29 12:34Z', '2030-01-01 00:05Z') AT TIME ZONE 'UTC' AS from_five,
       tsdb.time_bucket('3 months', '2026-03-29 12:34Z', '2026-02-17Z') AT TIME ZONE 'UTC' AS quarters;
-- Both ends of time, and beyond.
SELECT tsdb.time_bucket('1 h', 'infinity'), tsdb.time_bucket('1 month', '-infinity'), tsdb.time_bucket(NULL, now()), tsdb.time_bucket('1 h', NULL);
SELECT tsdb.time_bucket('1 us', t) = t AS same, tsdb.time_bucket('100000000 days', t, '4714-11-24Z BC') AT TIME ZONE 'UTC' AS start
  FROM unnest('{4714-11-24 00:00Z BC,294276-12-31 23:59:59.999999Z}'::timestamptz[]) t;
SELECT tsdb.time_bucket('100000000 days', '2026-01-01Z', '294276-12-31Z');
SELECT tsdb.time_bucket('1 month', '4714-12-01Z BC') AT TIME ZONE 'UTC';
SELECT tsdb.time_bucket('1 month', '4714-11-30Z BC');
SELECT tsdb.time_bucket('10 days', '4714-11-24Z BC');
SELECT tsdb.time_bucket('178000000 years', '1999-12-31Z');
-- No buckets.
SELECT tsdb.time_bucket('0', now());
SELECT tsdb.time_bucket('-1 h', now());
SELECT tsdb.time_bucket('-1 month', now());
SELECT tsdb.time_bucket('1 day -25 h', now());
SELECT tsdb.time_bucket('1 month 1 day', now());
SELECT tsdb.time_bucket('1 month -1 us', now());
SELECT tsdb.time_bucket('2147483647 days', now());
SELECT tsdb.time_bucket('1 h', now(), 'infinity');
-- It may stand in an index.
CREATE TEMP TABLE tb (t timestamptz);
CREATE INDEX ON tb (tsdb.time_bucket('5 min', t));
INSERT INTO tb SELECT timestamptz '2026-01-01Z' + i * interval '77 s' FROM generate_series(0, 999) i;
SELECT count(*), count(DISTINCT tsdb.time_bucket('5 min', t)), count(*) FILTER (WHERE tsdb.time_bucket('5 min', t) <> date_bin('5 min', t, '2000-01-03Z')) AS differ FROM tb;
RESET timezone;
