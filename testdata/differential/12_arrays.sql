-- Arrays.
SELECT id, tags, tags[1], tags[2:3], marks[1] + 1, tags[9] FROM people;
-- files: differs array_dims gives {3}, not [1:3]
SELECT id, array_length(tags, 1), cardinality(tags), array_upper(tags, 1), array_lower(marks, 1), array_ndims(tags), array_dims(tags) FROM people;
SELECT id FROM people WHERE 't1' = ANY (tags);
SELECT id FROM people WHERE tags @> ARRAY['t1'];
SELECT id FROM people WHERE ARRAY['t1', 'u1', 'two words', 'x'] <@ tags OR tags <@ ARRAY['t1', 'u1', 'two words', 'x'];
-- files: refused 0A000 operator && over files is not supported
SELECT id FROM people WHERE marks && ARRAY[1, 2];
-- files: refused 42804 cannot infer common argument type for comparison operation List(text) = text
SELECT id FROM people WHERE tags = '{}';
SELECT id, tags || 'new'::text, ARRAY['first'] || tags, array_append(marks, 9), array_prepend(0, marks), array_cat(tags, tags) FROM people;
SELECT id, array_remove(tags, 't1'), array_replace(tags, 'two words', '2'), array_position(tags, 'u1'), array_positions(marks, 1) FROM people;
SELECT id, array_to_string(marks, '-'), array_to_string(tags, ',', 'null') FROM people;
SELECT ARRAY[1, 2, 3], ARRAY['a', NULL], ARRAY[[1, 2], [3, 4]], '{1,2}'::int[], id FROM departments WHERE id = 1;
SELECT array_agg(id ORDER BY id), array_agg(name ORDER BY id DESC) FROM departments;
-- files: refused 0A000 function unnest outside of FROM over files is not supported
SELECT unnest(tags), id FROM people WHERE id < 10;
-- files: refused 0A000 WITH ORDINALITY over files is not supported
SELECT id, u.t, u.o FROM people, unnest(tags) WITH ORDINALITY AS u (t, o) WHERE id < 10;
-- files: refused 0A000 not supported by the engine: a correlated subquery of this shape
SELECT t, count(*) FROM people, unnest(tags) t GROUP BY t;
SELECT a, b, d.id FROM departments d, unnest(ARRAY[1, 2], ARRAY['x', 'y', 'z']) AS u (a, b) WHERE d.id = 1;
-- files: refused 42804 cannot infer common argument type for comparison operation List(Int64) != text
SELECT id, marks = ARRAY[1, 1, 1], marks < ARRAY[2], marks <> '{}' FROM people;
-- files: refused 0A000 not supported by the engine: a correlated subquery of this shape
SELECT id, (SELECT max(m) FROM unnest(marks) m) FROM people;
-- files: refused 0A000 not supported by the engine: a correlated subquery of this shape
SELECT id, ARRAY(SELECT m * 2 FROM unnest(marks) m ORDER BY m) FROM people;
-- files: refused 42703 column "grid" does not exist
SELECT ids, ids[1], grid, grid[1][2], cardinality(grid), moods FROM spans;
-- files: refused 42703 column "moods" does not exist
SELECT id, 'calm' = ANY (moods::text[]) FROM spans;
-- files: refused 42703 column "na" does not exist
SELECT ta, na, na[1], ta[2], array_length(ta, 1) FROM kinds;
-- files: refused 0A000 function array_fill over files is not supported
SELECT id, array_fill(0, ARRAY[2]), trim_array(marks, 1) FROM people WHERE marks IS NOT NULL;
SELECT id FROM people WHERE 3 < ALL (marks);
SELECT id, marks[1:2] || 7 FROM people WHERE id < 12;
SELECT generate_subscripts(ARRAY[5, 6, 7], 1), id FROM departments WHERE id = 1;
SELECT region, array_agg(DISTINCT dept ORDER BY dept) FILTER (WHERE dept IS NOT NULL) FROM people GROUP BY region;
SELECT string_to_array('a,b,,c', ',', ''), id FROM departments WHERE id = 1;
