-- Arithmetic and functions of numbers.
-- files: differs a real becomes a numeric with all of its binary digits, not its shortest ones
SELECT id, salary + 1, salary * 1.1, salary / 3, salary % 1000, -salary, salary - rating::numeric FROM people;
-- files: differs round of double precision takes halves away from zero, not to the even number
SELECT id, abs(score), sign(score), ceil(score), floor(score), round(score), trunc(score) FROM people;
SELECT id, round(salary, 1), round(salary, -3), trunc(salary, 1), ceil(salary), floor(salary / 7) FROM people;
-- files: differs functions of a real give a real, not double precision
SELECT id, sqrt(abs(score)), cbrt(score), power(id, 2), exp(rating / 10), ln(id), log(id), log(2, id::numeric) FROM people WHERE id < 30;
SELECT id, sin(score), cos(score), tan(score), atan(score), atan2(score, 2), degrees(score), radians(score) FROM people WHERE id < 30;
SELECT id, div(id, 4), mod(id, 4), gcd(id, 12), lcm(id, 4), factorial(id) FROM departments;
SELECT id, width_bucket(score, 0, 100, 5), greatest(id, dept, boss), least(id, dept, boss) FROM people;
-- files: differs a real with an integer is a real, not double precision
SELECT id, rating * 2, rating + score, rating::float8 > 2.5, score = 10 FROM people;
SELECT i2 + 1, i4 * 2, i8 / 7, i2 % 3 FROM kinds WHERE id > 3;
-- files: differs smallints are added as larger integers: no overflow
SELECT i2 + i2 FROM kinds;
-- files: differs integer arithmetic wraps around in the engine instead of failing
SELECT i4 * i4 FROM kinds;
-- files: differs integer arithmetic wraps around in the engine instead of failing
SELECT i8 + 1 FROM kinds;
SELECT i4 / 0 FROM kinds;
-- files: differs another of two errors: the subtraction does not overflow in the engine
SELECT i4 / (i4 - 42) FROM kinds;
-- files: differs double precision divided by zero is infinite in the engine
SELECT f8 / 0 FROM kinds WHERE id = 4;
-- files: refused 0A000 not supported by the engine: Decimal scale -300 exceeds the minimum supported scale: -128
SELECT f8 * 1e300 FROM kinds;
-- files: differs a real with an integer is a real, not double precision
SELECT f4, f8, f4 + f8, f4 * 2 FROM kinds;
-- files: refused 42703 column "n" does not exist
SELECT n, n5, n + n5, n * 2, n / 3, -n, abs(n) FROM kinds;
-- files: refused 42703 column "n" does not exist
SELECT n * 1.000, n5 * n5, n5 / 4, round(n, 2), scale(n5), trim_scale(n) FROM kinds;
SELECT ratio, round(ratio, 4), ratio * 7, ratio::float8 FROM people;
SELECT part, part * 2, part::float8, round(part, 1) FROM people;
-- files: differs a function outside of its domain is 22000, not 2201F
SELECT sqrt(-1), id FROM departments;
-- files: differs the logarithm of zero is minus infinity in the engine
SELECT ln(id - 1) FROM departments;
SELECT 7 / 2, -7 / 2, 7 % -3, -7 % 3, 7.0 / 2, 2 ^ 10, id FROM departments WHERE id = 1;
SELECT 1e3, 1.5e-3, 0.1 + 0.2, 1::numeric / 3, 10::float8 / 3, id FROM departments WHERE id = 1;
-- files: refused 22P02 cannot cast string 'NaN' to value of Decimal128(38, 10) type
SELECT 'NaN'::float8, 'Infinity'::float8, '-Infinity'::float4, 'NaN'::numeric, id FROM departments WHERE id = 1;
SELECT 9223372036854775807, 9223372036854775808, 123456789012345678901234567890, id FROM departments WHERE id = 1;
-- files: differs a quotient of decimals has four digits more than its dividend, not as many as numeric has
SELECT amount, amount * qty, amount / nullif(qty, 0), qty::numeric(4,1) FROM orders WHERE id < 40;
SELECT price, price * qty, (price * qty)::numeric(10,2), off, off * price FROM items WHERE order_id < 8;
SELECT sum(price)::numeric(12,1), avg(price)::numeric(12,3) FROM items;
SELECT pi(), id, random() < 2 FROM departments WHERE id = 1;
-- files: refused 0A000 function bit_count over files is not supported
SELECT bit_count(code) FROM people WHERE id < 5;
SELECT id::smallint, id::real, id::numeric(6,2), id::text, id::boolean FROM departments;
