-- Statements that a generator does not come to: functions, types and operators that PostgreSQL alone has, where a planner
-- could ask them of hidden rows, or of samples of them.
SELECT id FROM people WHERE level - 40 <> 0 AND 1 / (level - 40) < 9 ORDER BY id
SELECT id FROM people WHERE code::int >= 0 ORDER BY id
SELECT id FROM people WHERE int4range(level, 40) @> 1 ORDER BY id
SELECT id FROM people WHERE int4range(40, level) = 'empty' ORDER BY id
SELECT id FROM people WHERE numrange(score::numeric, 0) = 'empty' ORDER BY id
SELECT id FROM people WHERE tstzrange(created_at, '2022-01-01') = 'empty' ORDER BY id
SELECT id FROM people WHERE daterange(birth_date, '1900-01-02') = 'empty' ORDER BY id
SELECT id FROM people WHERE int4multirange(int4range(level, 40)) = '{}' ORDER BY id
SELECT id FROM people WHERE multirange(int4range(0, 39 - level)) = '{}' ORDER BY id
SELECT id FROM people WHERE range_merge(int4range(level, 40), '[1,2)') = '[1,2)' ORDER BY id
SELECT id FROM people WHERE lower(int4range(level, NULL)) / (level - 40) < 9 ORDER BY id
SELECT id FROM people WHERE code::inet = '1.2.3.4' ORDER BY id
SELECT id FROM people WHERE ('10.0.0.' || level)::inet << '10.0.0.0/24' ORDER BY id
SELECT id FROM people WHERE set_masklen('10.0.0.1'::inet, level) = '10.0.0.1' ORDER BY id
SELECT id FROM people WHERE host(('10.0.0.' || code)::inet) = 'x' ORDER BY id
SELECT id FROM people WHERE network(('10.0.' || level * 10 || '.1')::inet) = '1.1.1.1' ORDER BY id
SELECT id FROM people WHERE abbrev(code::cidr) = 'x' ORDER BY id
SELECT id FROM people WHERE code::macaddr IS NULL ORDER BY id
SELECT id FROM people WHERE macaddr8_set7bit(code::macaddr8) IS NULL ORDER BY id
SELECT id FROM people WHERE point(level, 1) / point(level - 40, 0) ~= point(1, 1) ORDER BY id
SELECT id FROM people WHERE point(score, 1) <-> point(1, 1) < 9 ORDER BY id
SELECT id FROM people WHERE circle(point(0, 0), score) ~= circle '((0,0),1)' ORDER BY id
SELECT id FROM people WHERE circle '((0,0),1)' / point(score + 1, 0) ~= circle '((0,0),1)' ORDER BY id
SELECT id FROM people WHERE polygon(level - 38, circle '((0,0),1)') ~= polygon '((0,0))' ORDER BY id
SELECT id FROM people WHERE line(point(level, 1), point(40, 1)) ?| line '{1,2,3}' ORDER BY id
SELECT id FROM people WHERE slope(point(level, 1), point(40, 1)) / (level - 40) < 9 ORDER BY id
SELECT id FROM people WHERE box(point(score, score), point(0, 0)) && box '((0,0),(1,1))' ORDER BY id
SELECT id FROM people WHERE path(polygon(3, circle(point(0, 0), abs(score)))) = path '((0,0))' ORDER BY id
SELECT id FROM people WHERE code::money > '1' ORDER BY id
SELECT id FROM people WHERE score::numeric::money / (level - 40) > '1' ORDER BY id
SELECT id FROM people WHERE cash_words(code::numeric::money) = 'x' ORDER BY id
SELECT id FROM people WHERE to_tsquery(code) = 'x' ORDER BY id
SELECT id FROM people WHERE to_tsquery('simple', code || ' &') = 'x' ORDER BY id
SELECT id FROM people WHERE to_tsvector(code) @@ (code || ' &')::tsquery ORDER BY id
SELECT id FROM people WHERE code::tsquery = 'x' ORDER BY id
SELECT id FROM people WHERE code::tsvector = 'x' ORDER BY id
SELECT id FROM people WHERE tsquery_phrase('a', 'b', 39 - level) = 'x' ORDER BY id
SELECT id FROM people WHERE ts_rank(ARRAY[score, 1, 1, 1]::float4[], 'a', 'a') >= 0 ORDER BY id
SELECT id FROM people WHERE ts_filter('a:1A', tags::"char"[]) = 'a' ORDER BY id
SELECT id FROM people WHERE ts_headline('simple', code, 'x', 'MaxWords=' || 40 - level) = 'x' ORDER BY id
SELECT id FROM people WHERE array_to_tsvector(tags || NULLIF(code, 'not a number')) = 'x' ORDER BY id
SELECT id FROM people WHERE ts_delete('a', tags) = 'a' ORDER BY id
SELECT id FROM people WHERE jsonb_path_match(extra, '$.k > 1') ORDER BY id
SELECT id FROM people WHERE jsonb_path_match(extra, '$.k') ORDER BY id
SELECT id FROM people WHERE jsonb_path_exists(extra, 'strict $.z') ORDER BY id
SELECT id FROM people WHERE jsonb_path_query_first(extra, '$.k.double()') > '1' ORDER BY id
SELECT id FROM people WHERE jsonb_path_query_array(extra, '$.k.datetime()') = '[]' ORDER BY id
SELECT id FROM people WHERE extra @? '$.k ? (@ > 3)' ORDER BY id
SELECT id FROM people WHERE extra @@ '$.k > 3' ORDER BY id
SELECT id FROM people WHERE extra @? code::jsonpath ORDER BY id
SELECT id FROM people WHERE extra ? 'k' AND (extra -> 'k')::int > 3 ORDER BY id
SELECT id FROM people WHERE extra @> '{"k": "secret"}' ORDER BY id
SELECT id FROM people WHERE extra <@ '{"k": 1}' ORDER BY id
SELECT id FROM people WHERE extra - 0 = '{}' ORDER BY id
SELECT id FROM people WHERE extra #- '{k,0}' = '{}' ORDER BY id
SELECT id FROM people WHERE extra -> 'k' - 1 = '1' ORDER BY id
SELECT id FROM people WHERE jsonb_set(extra, tags, '1') = '{}' ORDER BY id
SELECT id FROM people WHERE jsonb_insert(extra, '{k}', '1') = '{}' ORDER BY id
SELECT id FROM people WHERE jsonb_array_length(extra) > 0 ORDER BY id
SELECT id FROM people WHERE jsonb_object(tags) = '{}' ORDER BY id
SELECT id FROM people WHERE code::jsonb > '1' ORDER BY id
SELECT id FROM people WHERE json_array_length(code::json) > 0 ORDER BY id
SELECT id FROM people WHERE trim_array(marks, 1) = '{1}' ORDER BY id
SELECT id FROM people WHERE trim_array(tags, 2) = '{}' ORDER BY id
SELECT id FROM people WHERE marks[1] / (level - 40) < 9 ORDER BY id
SELECT id FROM people WHERE array_lower(marks, 1) / 1 = 1 ORDER BY id
SELECT id FROM people WHERE marks && ARRAY[1] ORDER BY id
SELECT id FROM people WHERE marks @> ARRAY[1] ORDER BY id
SELECT id FROM people WHERE tags <@ ARRAY['t1', '1'] ORDER BY id
SELECT id FROM people WHERE array_position(marks, 1) / (level - 40) < 9 ORDER BY id
SELECT id FROM people WHERE width_bucket(score, 0, 40 - level, 3) > 0 ORDER BY id
SELECT id FROM people WHERE gcd(level - 40, -2147483648) > 0 ORDER BY id
SELECT id FROM people WHERE lcm(level, 2147483647) > 0 ORDER BY id
SELECT id FROM people WHERE acosd(score / 30) > 0 ORDER BY id
SELECT id FROM people WHERE atanh(score / 31) > 0 ORDER BY id
SELECT id FROM people WHERE ln(score + 0.1) > 0 ORDER BY id
SELECT id FROM people WHERE log(2.0, score::numeric) > 0 ORDER BY id
SELECT id FROM people WHERE factorial(level - 1 + level) > 0 ORDER BY id
SELECT id FROM people WHERE make_interval(days => level, secs => score) > '0' ORDER BY id
SELECT id FROM people WHERE make_timestamptz(level + 1, 1, 1, 0, 0, 0) > '0001-01-01' ORDER BY id
SELECT id FROM people WHERE date_bin(level * INTERVAL '1 day', created_at, created_at) > '2020-01-01' ORDER BY id
SELECT id FROM people WHERE timezone(code, created_at) > '2020-01-01' ORDER BY id
SELECT id FROM people WHERE created_at AT TIME ZONE code > '2020-01-01' ORDER BY id
SELECT id FROM people WHERE date_trunc(department, created_at) > '2020-01-01' ORDER BY id
SELECT id FROM people WHERE to_char(score, code) = 'x' ORDER BY id
SELECT id FROM people WHERE to_number(code, '9') > 0 ORDER BY id
SELECT id FROM people WHERE to_timestamp(code, 'DDD') > '2020-01-01' ORDER BY id
SELECT id FROM people WHERE normalize(code, NFC) = code ORDER BY id
SELECT id FROM people WHERE unistr('\' || code) = 'x' ORDER BY id
SELECT id FROM people WHERE to_ascii(code, code) = 'x' ORDER BY id
SELECT id FROM people WHERE convert_from(code::bytea, code) = 'x' ORDER BY id
SELECT id FROM people WHERE convert_to(code, 'LATIN1') = 'x' ORDER BY id
SELECT id FROM people WHERE decode(code, 'hex') = 'x' ORDER BY id
SELECT id FROM people WHERE decode(code, 'base64') = 'x' ORDER BY id
SELECT id FROM people WHERE get_byte(code::bytea, level) > 0 ORDER BY id
SELECT id FROM people WHERE get_bit(B'101', level - 38) = 1 ORDER BY id
SELECT id FROM people WHERE set_bit(B'1111111111111111111111111111111111111111', level, 1) = B'1' ORDER BY id
SELECT id FROM people WHERE code::bit(4) = B'1' ORDER BY id
SELECT id FROM people WHERE level::bit(8) & B'101' = B'1' ORDER BY id
SELECT id FROM people WHERE regexp_count(code, '(' || code) > 0 ORDER BY id
SELECT id FROM people WHERE regexp_substr('x', code, 40 - level) = 'x' ORDER BY id
SELECT id FROM people WHERE regexp_instr('x', 'x', 40 - level) > 0 ORDER BY id
SELECT id FROM people WHERE code SIMILAR TO tags[1] ORDER BY id
SELECT id FROM people WHERE 'x' LIKE code ESCAPE code ORDER BY id
SELECT id FROM people WHERE parse_ident(code) = '{x}' ORDER BY id
SELECT id FROM people WHERE code::uuid IS NULL ORDER BY id
SELECT id FROM people WHERE code::pg_lsn > '0/1' ORDER BY id
SELECT id FROM people WHERE code::oid > 0 ORDER BY id
SELECT id FROM people WHERE ('0/' || level)::pg_lsn - level - 1 > '0/0' ORDER BY id
SELECT id FROM people WHERE scale(1 / (40 - level)::numeric) > 0 ORDER BY id
SELECT id FROM people WHERE min_scale(score::numeric) / (level - 40) < 9 ORDER BY id
SELECT id FROM people WHERE hashtext(code) / (level - 40) < 9 ORDER BY id
SELECT id FROM people WHERE bit_count(code::bytea) / (level - 40) < 9 ORDER BY id
SELECT id FROM people WHERE numeric_inc(score::numeric) / (level - 40) < 9 ORDER BY id
SELECT id FROM people WHERE EXISTS (SELECT 1 FROM generate_series(1, 10 / (40 - level))) ORDER BY id
SELECT id FROM people WHERE EXISTS (SELECT 1 FROM regexp_split_to_table(code, code || '(')) ORDER BY id
SELECT id FROM people WHERE EXISTS (SELECT 1 FROM string_to_table(code, NULL) WITH ORDINALITY AS x(v, i) WHERE v::int > 5) ORDER BY id
SELECT id FROM people WHERE EXISTS (SELECT 1 FROM jsonb_each(extra) AS x WHERE (x.value)::int > 3) ORDER BY id
SELECT id FROM people WHERE EXISTS (SELECT 1 FROM jsonb_array_elements(extra -> 'k')) ORDER BY id
SELECT id FROM people WHERE EXISTS (SELECT 1 FROM unnest(marks, tags) AS x(a, b) WHERE 1 / a > 0) ORDER BY id
SELECT id FROM people WHERE code COLLATE "C" < '5' AND 1 / (40 - level) > 0 ORDER BY id
SELECT id FROM people WHERE code LIKE 'not a%' ORDER BY id
SELECT id FROM people WHERE code ^@ 'not' ORDER BY id
SELECT id FROM people WHERE code ~<~ '3' ORDER BY id
SELECT id FROM people WHERE code ~ '^not|^7' ORDER BY id
SELECT id FROM people WHERE ssn LIKE 'no%' ORDER BY id
SELECT id FROM people WHERE ssn ~ 'no ssn' ORDER BY id
SELECT id FROM people WHERE notes ^@ 'sec' ORDER BY id
SELECT id FROM people WHERE name SIMILAR TO 's%' ORDER BY id
SELECT id FROM people WHERE salary::money > '-1' ORDER BY id
SELECT id FROM people WHERE birth_date <@ daterange('1900-01-01', '1900-12-31') ORDER BY id
SELECT id FROM people WHERE numrange(-1, 0, '[]') @> salary ORDER BY id
SELECT id FROM people WHERE salary <@ numrange(-10, 10) ORDER BY id
SELECT id FROM people WHERE level <@ int4range(40, 300) ORDER BY id
SELECT id FROM people WHERE created_at <@ tstzrange(NULL, '2022-03-01') ORDER BY id
SELECT id FROM people WHERE score <@ numrange(-3, 3)::text::numrange IS NOT NULL ORDER BY id
SELECT id FROM events WHERE 1 / amount < 0
SELECT id FROM events WHERE log(amount + 1) > 0
SELECT id FROM events WHERE numrange(amount, 0) = 'empty'
SELECT id FROM events WHERE (kind || '(') ~ kind
SELECT id FROM events WHERE kind ^@ 'int'
SELECT id FROM events WHERE marks[1] / marks[1] = 1
SELECT id FROM events WHERE array_length(marks, 1) / weight > 0
SELECT e.id FROM events e, generate_series(1, (10 / (weight + 1))::int) AS x WHERE x > 3
SELECT e.id FROM events e JOIN people p ON int4range(p.id, e.person_id) @> 1
SELECT count(*) FROM events e JOIN people p ON point(p.level, 1) / point(e.weight, 0) ~= point(1, 1)
SELECT count(*) FROM orders o JOIN people p ON p.id = o.person_id AND set_masklen('10.0.0.0'::inet, o.qty * 4) >> '10.0.0.1'
SELECT id FROM orders WHERE daterange(day, '2000-01-01') = 'empty'
SELECT id FROM orders WHERE status::int > 0
SELECT id FROM orders WHERE amount / qty > 1
SELECT id FROM orders WHERE status ^@ 'sec' OR status LIKE 'se%'
SELECT id FROM orders WHERE amount::money / qty > '1'
SELECT id FROM recent WHERE numrange(0, amount) @> 1.0
SELECT id FROM recent WHERE status::inet = '1.1.1.1'
SELECT id FROM recent WHERE (status || ' &')::tsquery = 'x'
SELECT mode() WITHIN GROUP (ORDER BY status), percentile_disc(0.1) WITHIN GROUP (ORDER BY amount) FROM recent
SELECT mode() WITHIN GROUP (ORDER BY region), mode() WITHIN GROUP (ORDER BY code) FROM people
SELECT rank(40) WITHIN GROUP (ORDER BY level), cume_dist(-1) WITHIN GROUP (ORDER BY score::numeric) FROM people
SELECT percentile_cont(ARRAY[0, 0.5, 1]) WITHIN GROUP (ORDER BY score) FROM people
SELECT range_agg(int4range(level, level + 1)), range_intersect_agg(int4range(level, 300)) FROM people
SELECT jsonb_object_agg(id, extra ORDER BY id), json_agg(code ORDER BY id), jsonb_agg(name ORDER BY id) FROM people
SELECT json_object_agg(code, ssn) FILTER (WHERE level > 39) FROM people
SELECT max(int4range(level, 40)) FROM people
SELECT min(('10.0.0.' || level)::inet), max(host(('10.0.0.' || level * 9)::inet)) FROM people
SELECT sum(score::numeric::money), max(code::money) FROM people
SELECT x.v, count(*) FROM people p, jsonb_each_text(p.extra) AS x(k, v) GROUP BY 1 ORDER BY 1
SELECT x.v FROM people p, jsonb_path_query(p.extra, '$.k ? (@ > 2)') AS x(v) WHERE (x.v)::int / (p.level - 40) < 9 ORDER BY p.id
SELECT x.v, x.i FROM people p, unnest(p.tags) WITH ORDINALITY AS x(v, i) WHERE x.v::text = 'secret' OR x.i > 1 ORDER BY p.id
SELECT x.v FROM people p, regexp_matches(p.code, '(.)', 'g') AS x(v) ORDER BY p.id, x.v
SELECT x FROM generate_series(1, (SELECT count(*) FROM people WHERE level >= 40)) AS x
SELECT to_jsonb(p) FROM people p ORDER BY id
SELECT row_to_json(p) FROM people p WHERE extra ? 'secret' OR id < 20 ORDER BY id
SELECT id FROM people ORDER BY point(level, 1) <-> point(40, 1), id LIMIT 9
SELECT id FROM people ORDER BY int4range(0, level), id DESC LIMIT 9
SELECT id FROM people ORDER BY code::inet
SELECT level, count(*) FROM people GROUP BY level HAVING int4range(level, 39) = 'empty' ORDER BY 1
SELECT DISTINCT ('10.0.' || level || '.0')::cidr FROM people ORDER BY 1
SELECT ts_headline(notes, 'secret'::tsquery), to_tsvector(ssn) FROM people ORDER BY id
SELECT hashtext(ssn), hash_numeric(salary), md5(notes) FROM people ORDER BY id
SELECT text(name::name), encode(float8send(score), 'hex') FROM people ORDER BY id
SELECT sum(level) OVER (ORDER BY score RANGE BETWEEN 0.5 PRECEDING AND CURRENT ROW) FROM people ORDER BY id
SELECT nth_value(code, 40 - level) OVER (ORDER BY id) FROM people
