-- Ranges, bit strings, and other types that files do not have.
-- files: differs files have no ranges, intervals, bit strings, timetz and nested arrays: the columns are not there
SELECT * FROM spans;
-- files: refused 42703 column "days" does not exist
SELECT id, days, nums, amounts, moments FROM spans;
-- files: refused 42703 column "days" does not exist
SELECT id, lower(days), upper(days), isempty(days), lower_inc(nums), upper_inf(moments) FROM spans;
-- files: refused 42703 column "days" does not exist
SELECT id FROM spans WHERE days @> DATE '2024-02-15';
-- files: refused 42703 column "nums" does not exist
SELECT id FROM spans WHERE nums @> 4;
-- files: refused 42703 column "nums" does not exist
SELECT id FROM spans WHERE nums && int4range(4, 6);
-- files: refused 42703 column "days" does not exist
SELECT id FROM spans WHERE days && '[2024-01-15,2024-02-05)'::daterange;
-- files: refused 42703 column a.days does not exist
SELECT a.id, b.id FROM spans a JOIN spans b ON a.days && b.days AND a.id < b.id;
-- files: refused 42703 column "nums" does not exist
SELECT id, nums * int4range(2, 7), nums + int4range(3, 5) FROM spans WHERE id IN (1);
-- files: refused 42703 column "nums" does not exist
SELECT id, nums -|- int4range(5, 9), nums << int4range(10, 20) FROM spans;
-- files: refused 42703 column "days" does not exist
SELECT id, days = days, nums < '[4,8)' FROM spans;
-- files: refused 42703 column "mask" does not exist
SELECT mask, mask::text, length(mask) FROM spans;
-- files: refused 42703 column "moods" does not exist
SELECT price, ids, moods, clock, clock_tz FROM spans;
-- files: refused 42703 column s.days does not exist
SELECT o.id, s.id FROM orders o JOIN spans s ON s.days @> o.day;
-- files: refused 42703 column "moments" does not exist
SELECT count(*) FROM spans WHERE moments @> TIMESTAMPTZ '2024-03-01 00:00+00';
-- files: refused 42703 column "days" does not exist
SELECT DISTINCT days FROM spans;
-- files: refused 42703 column "days" does not exist
SELECT id, days FROM spans ORDER BY days, id;
-- files: refused 42703 column "took" does not exist
SELECT max(clock), min(took), count(nums) FROM spans;
-- files: refused 42703 column "days" does not exist
SELECT days::text, nums::text FROM spans;
