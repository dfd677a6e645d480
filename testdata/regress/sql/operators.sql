SELECT id, p <-> point '(0,0)', b @> p, c && circle '<(3,3),1>', g ~= g, @-@ h, # g, ?- l, ?| l, n ?|| n FROM shapes ORDER BY id;
SELECT id, b << box '((9,9),(10,10))', b >> b, b &< b, b &> b, b <<| b, b |>> b, b &<| b, b |&> b, l ## p, l ?# b, @@ b FROM shapes ORDER BY p <-> point '(1,1)', id;
SELECT i << '10.0.0.0/7'::inet, i <<= i, i >> i, i >>= c, i && c, ~ i, i + 3, i - i FROM hosts ORDER BY id;
SELECT during && '[2024-01-01 11:00,2024-01-01 13:00)'::tsrange, days -|- '[2024-01-05,2024-01-06)'::daterange, days * days, days + days, seats @> 2, seats << '{[90,91)}'::int4multirange FROM bookings ORDER BY id;
SELECT flags & B'0110', flags | B'0001', flags # B'1111', ~ flags, flags << 1, flags >> 1 FROM bookings ORDER BY id;
SELECT words @@ 'fox & !slow'::tsquery, words @@ to_tsquery('simple', 'quick'), !! 'a'::tsquery, 'a'::tsquery && 'b'::tsquery, 'a'::tsquery <-> 'b' FROM papers ORDER BY id;
SELECT doc @? '$.b[*] ? (@ > 1)', doc @@ '$.a == 2', doc #- '{b,0}', doc - 'a', doc || '{"z": 1}', doc ? 'a', doc ->> 'd' FROM papers ORDER BY id;
SELECT title ^@ 'a', title ~<~ 'b', title ~>=~ 'b' FROM papers ORDER BY id;
SELECT |/ 16.0, ||/ 27.0, @ -5.5, @(-3), 2 ^ 10, -7 % 3, 7 # 2, ~1;
SELECT (date '2024-01-01', date '2024-02-01') OVERLAPS (date '2024-01-15', interval '10 days'), (time '10:00', time '11:00') OVERLAPS (time '11:00', time '12:00');
SELECT title, title COLLATE "C" < 'a', title COLLATE "POSIX" FROM papers ORDER BY title COLLATE "C" DESC;
SELECT count(*) FROM papers GROUP BY title COLLATE "C" ORDER BY min(id);
-- Collations that do not go together are refused alike
SELECT 1 FROM papers WHERE title COLLATE "C" < title COLLATE "POSIX";
SELECT title COLLATE "nowhere" FROM papers;
