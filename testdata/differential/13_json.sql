-- json and jsonb.
SELECT id, extra, extra::text, payload FROM people JOIN events USING (id);
-- files: refused 0A000 operator -> over files is not supported
SELECT id, extra -> 'n', extra ->> 'n', extra -> 'tags' -> 0, extra -> 'tags' ->> 1 FROM people;
-- files: refused 0A000 operator #> over files is not supported
SELECT id, extra #> '{in,deep}', extra #>> '{tags,1}' FROM people;
-- files: refused 0A000 operator ->> over files is not supported
SELECT id, (extra ->> 'n')::int + 1 FROM people;
-- files: refused 0A000 operator ->> over files is not supported
SELECT id FROM people WHERE extra ->> 'n' = '8';
-- files: refused 0A000 operator ->> over files is not supported
SELECT id FROM people WHERE (extra ->> 'n')::int > 40;
-- files: refused 0A000 not supported by the engine: Binary operator 'AtArrow' is not supported in the physical expr
SELECT id FROM people WHERE extra @> '{"in": {"deep": true}}';
-- files: refused 0A000 operator ? over files is not supported
SELECT id FROM people WHERE extra ? 'n';
-- files: refused 42804 cannot coerce arithmetic expression text - text to valid types
SELECT id, extra - 'n', extra || '{"new": 1}' FROM people WHERE id < 12;
-- files: refused 0A000 function jsonb_array_length over files is not supported
SELECT id, jsonb_array_length(extra -> 'tags'), jsonb_typeof(extra -> 'n') FROM people;
-- files: refused 0A000 function jsonb_extract_path_text over files is not supported
SELECT id, jsonb_extract_path_text(extra, 'in', 'deep') FROM people;
-- files: refused 0A000 operator ->> over files is not supported
SELECT payload ->> 'page' AS page, count(*), round(avg((payload ->> 'ms')::numeric), 2) FROM events GROUP BY 1;
-- files: refused 0A000 operator ->> over files is not supported
SELECT id, payload ->> 'page' FROM events WHERE (payload ->> 'ok')::boolean AND (payload ->> 'ms')::int < 100 ORDER BY id;
-- files: refused 0A000 operator -> over files is not supported
SELECT e.id, t FROM people e, jsonb_array_elements_text(e.extra -> 'tags') AS t WHERE e.id < 10;
-- files: refused 0A000 function jsonb_each_text over files is not supported
SELECT id, k, v FROM departments, jsonb_each_text('{"a": 1, "b": 2}') AS j (k, v) WHERE id < 3;
SELECT json_build_object('id', id, 'name', name) FROM departments;
-- files: refused 0A000 function jsonb_build_object over files is not supported
SELECT jsonb_build_object('id', id, 'name', name), jsonb_build_array(id, name) FROM departments;
-- files: refused 0A000 function to_jsonb over files is not supported
SELECT to_jsonb(name), to_json(id), row_to_json(d) FROM departments d;
-- files: refused 0A000 operator -> over files is not supported
SELECT j, jb, j -> 'b', jb -> 'a', jb -> 0 FROM kinds;
-- files: refused 0A000 not supported by the engine: Binary operator 'AtArrow' is not supported in the physical expr
SELECT jb = '[1, 2, 3]', jb @> '[1]', jb <> 'null' FROM kinds;
SELECT id FROM people WHERE extra IS NULL;
-- files: refused 0A000 operator -> over files is not supported
SELECT extra -> 'absent' IS NULL, id FROM people WHERE id < 9;
-- files: refused 0A000 operator -> over files is not supported
SELECT '{"a": [1, 2]}'::jsonb -> 'a' -> 1, '{"a": 1}'::json ->> 'a', id FROM departments WHERE id = 1;
-- files: refused 0A000 operator ->> over files is not supported
SELECT (payload ->> 'page')::int FROM events;
-- files: refused 0A000 function jsonb_path_query_first over files is not supported
SELECT jsonb_path_query_first(extra, '$.tags[1]') FROM people WHERE id < 9;
-- files: refused 0A000 function jsonb_pretty over files is not supported
SELECT jsonb_pretty(extra) FROM people WHERE id = 4;
-- files: refused 0A000 function jsonb_set over files is not supported
SELECT jsonb_set(extra, '{n}', '0') FROM people WHERE id < 9;
-- files: refused 0A000 operator -> over files is not supported
SELECT DISTINCT extra -> 'in' FROM people;
-- Whole rows hold what their reader may see.
-- files: refused 0A000 function row_to_json over files is not supported
SELECT row_to_json(e) FROM events e ORDER BY id;
-- files: refused 0A000 function json_agg over files is not supported
SELECT json_agg(p ORDER BY p.id) FROM (SELECT id, region, extra FROM people) p;
-- files: refused 0A000 operator ->> over files is not supported
SELECT id, to_jsonb(e) - 'id' FROM events e WHERE to_jsonb(e) ->> 'id' IS NOT NULL ORDER BY id;
-- files: refused 0A000 function row_to_json over files is not supported
SELECT x.* FROM departments d, json_to_record(row_to_json(d)) AS x (id int, name text, region text) ORDER BY 1;
