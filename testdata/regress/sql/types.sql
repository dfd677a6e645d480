-- Types of values, as casts, typed constants and arrays
SELECT id, p::text, c::box, b::polygon, g::circle, h::polygon, l::point FROM shapes ORDER BY id;
SELECT point '(1,2)', box '((0,0),(1,1))', circle '<(0,0),1>', lseg '[(0,0),(1,1)]', path '[(0,0),(1,1)]', polygon '((0,0),(1,1),(1,0))', line '{1,2,3}';
SELECT '(1,2)'::point, CAST('((0,0),(1,1))' AS box), '<(0,0),1>'::pg_catalog.circle, '{"(1,2)","(3,4)"}'::point[];
SELECT '10.1.2.3/8'::inet, '10.0.0.0/8'::cidr, '08:00:2b:01:02:03'::macaddr, '08:00:2b:01:02:03'::macaddr8, i::cidr::text FROM hosts WHERE id = 1;
SELECT '$1,234.56'::money, price::numeric, 12.5::money, '3'::money * 2 FROM bookings ORDER BY id;
SELECT '[1,5)'::int4range, '(1,5]'::int8range, '[1.5,2]'::numrange, '{[1,2),[4,5)}'::int4multirange, '[2024-01-01,2024-02-01)'::daterange, '{[2024-01-01,2024-01-02)}'::datemultirange;
SELECT 'fat & rat'::tsquery, tsvector 'a fat cat', '$.a[*] ? (@ > 1)'::jsonpath, '0/16B3748'::pg_lsn;
SELECT B'0101', b'11' || B'0', 5::bit(8), '101'::varbit, flags::int, mark::bit(3) FROM bookings ORDER BY id;
SELECT '1 2:03:04'::interval day to minute, interval '1-2' year to month, interval '12.3456' second(2), '1 day'::interval(3);
SELECT id::oid, title::name, 'x'::"char" FROM papers ORDER BY id;
SELECT 1::int2 + 1, 2147483647::int8 + 1, 1.50, 1e3, '12:00+02'::timetz, 'infinity'::timestamptz, date '2024-02-29';
-- Values that are not of a type are refused alike
SELECT 'x'::inet;
SELECT '(1'::point;
SELECT 2147483647 + 1;
SELECT 1 / 0, id FROM papers;
