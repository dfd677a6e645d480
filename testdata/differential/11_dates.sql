-- Dates, times, intervals.
SELECT id, born, born + 1, born - 30, born - DATE '1970-01-01' FROM people;
-- files: differs a date and an interval give a date, not a timestamp
SELECT id, born + INTERVAL '1 month', born - INTERVAL '1 year 2 days' FROM people;
SELECT id, created, created + INTERVAL '36 hours', created - INTERVAL '1 month' FROM people;
SELECT id, created - TIMESTAMPTZ '2020-01-01 00:00:00+00' FROM people;
SELECT id, age(TIMESTAMP '2024-03-01', born::timestamp) FROM people;
SELECT id, extract(year FROM born), extract(month FROM born), extract(day FROM born), extract(dow FROM born), extract(doy FROM born) FROM people;
-- files: refused 22007 date part 'CENTURY' not supported
SELECT id, extract(week FROM born), extract(isoyear FROM born), extract(quarter FROM born), extract(isodow FROM born), extract(century FROM born) FROM people;
-- files: differs extract(second) has no fraction
SELECT id, extract(hour FROM created), extract(minute FROM created), extract(second FROM created), extract(epoch FROM created) FROM people;
SELECT id, date_part('year', created), date_part('epoch', created) FROM people;
SELECT id, date_trunc('year', created), date_trunc('month', created), date_trunc('week', created), date_trunc('hour', created) FROM people;
SELECT id, date_trunc('day', placed), placed::date, placed::time FROM orders;
SELECT id, to_char(born, 'YYYY-MM-DD'), to_char(created, 'Mon DD, YYYY HH24:MI:SS') FROM people;
-- files: differs AT TIME ZONE of a timestamptz keeps the point in time and its type
SELECT id, created AT TIME ZONE 'Asia/Tokyo', placed FROM people JOIN orders USING (id);
SELECT id, placed AT TIME ZONE 'UTC', placed AT TIME ZONE 'America/New_York' FROM orders WHERE id < 40;
SELECT id, created::date, created::timestamp, created::time FROM people;
SELECT id FROM orders WHERE day >= DATE '2023-01-01' AND day < DATE '2023-01-01' + INTERVAL '3 months';
SELECT id FROM orders WHERE placed > TIMESTAMP '2023-06-01 12:00:00';
SELECT id FROM people WHERE created > '2020-06-01' AND created < TIMESTAMPTZ '2021-06-01 00:00:00-05';
SELECT make_date(2024, 2, id), make_timestamp(2024, 1, id, 3, 4, 5.5), make_time(id, 0, 0) FROM departments;
-- files: differs a day that does not exist is 22007, not 22008
SELECT make_date(2023, 2, 25 + id) FROM departments;
-- files: refused 0A000 function make_interval over files is not supported
SELECT make_interval(days => 3), id FROM departments;
SELECT to_date('2024-02-29', 'YYYY-MM-DD'), to_timestamp('2024-02-29 10', 'YYYY-MM-DD HH24'), to_timestamp(86400.5), id FROM departments WHERE id = 1;
SELECT date_bin('15 minutes', placed, TIMESTAMP '2001-01-01') FROM orders WHERE id < 30;
-- files: refused 42804 cannot get result type for temporal operation Interval(MonthDayNano) * Int32: Invalid argument error: Invalid interval arithmetic operation: Interval(MonthDayNano) * Interval(MonthDayNano)
SELECT INTERVAL '1 day' * id, INTERVAL '90 minutes', INTERVAL '1 year' / 4, -INTERVAL '2 hours' FROM departments;
SELECT justify_hours(INTERVAL '36 hours'), justify_days(INTERVAL '45 days'), justify_interval(INTERVAL '1 mon -1 hour'), id FROM departments WHERE id = 1;
-- files: refused 42703 column "took" does not exist
SELECT took, took * 2, took + INTERVAL '1 day', extract(epoch FROM took), extract(hour FROM took) FROM events WHERE id < 20;
-- files: refused 42703 column "took" does not exist
SELECT id, took FROM spans ORDER BY took, id;
-- files: refused 42703 column "clock_tz" does not exist
SELECT clock, clock_tz, clock + INTERVAL '1 hour', extract(hour FROM clock) FROM spans;
SELECT d, ts, tz, ts - INTERVAL '1 day', d + 1 FROM kinds WHERE id <> 2;
SELECT d, ts, tz FROM kinds;
-- files: refused 22P02 cannot cast Date32 value -719162 to Timestamp(ns): converted value exceeds the representable i64 range
SELECT isfinite(d), isfinite(ts), d = ts, ts < tz FROM kinds;
-- files: refused 22P02 cannot cast string 'infinity' to value of Date32 type
SELECT DATE 'infinity', TIMESTAMP '-infinity', id FROM departments WHERE id = 1;
-- files: differs a day that does not exist is 22P02, not 22008
SELECT '2024-02-30'::date FROM departments;
-- files: refused 0A000 operator OVERLAPS over files is not supported
SELECT (DATE '2024-01-01', DATE '2024-02-01') OVERLAPS (day, day + 10) FROM orders WHERE id > 150;
SELECT day, count(*) FROM orders WHERE extract(year FROM day) = 2022 GROUP BY day;
SELECT g::date, count(o.id) FROM generate_series(TIMESTAMP '2022-01-01', TIMESTAMP '2022-03-01', INTERVAL '1 month') g LEFT JOIN orders o ON date_trunc('month', o.day::timestamp) = g GROUP BY g ORDER BY g;
SELECT now() > created, current_date > born, current_timestamp > created, localtimestamp > placed FROM people JOIN orders USING (id) WHERE id < 9;
SELECT count(*) FROM events WHERE at > TIMESTAMPTZ '2023-03-10' AND at <= '2023-03-20';
SELECT max(at) - min(at), min(at)::date FROM events;
SELECT date_trunc('week', at) AS w, count(*) FROM events GROUP BY w ORDER BY w;
-- files: refused 22P02 error parsing timestamp from '2024-01-01 10:00': error parsing time
SELECT timestamp '2024-01-01 10:00' - timestamp '2023-12-25', date '2024-01-01' + time '10:00', id FROM departments WHERE id = 1;
