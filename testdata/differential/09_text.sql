-- Functions of texts.
-- files: differs letters beyond ASCII have their capitals in the engine; the oracle's locale is C
SELECT id, upper(name), lower(name), initcap(name), length(name), char_length(name), octet_length(name), bit_length(name) FROM people;
SELECT id, left(name, 3), right(name, 2), left(name, -2), right(name, -2), substr(name, 2), substr(name, 2, 3) FROM people;
-- files: refused 42883 function substr over files does not take arguments of these types
SELECT id, substring(name FROM 2 FOR 3), substring(name, 3), substring(name FROM '[A-Z]') FROM people;
SELECT id, position('a' IN name), strpos(name, 'n'), overlay(name PLACING '##' FROM 2 FOR 1) FROM people;
SELECT id, trim(name), ltrim(name, 'A'), rtrim(name, '0123456789'), btrim(name, 'A1'), trim(BOTH 'A' FROM name) FROM people;
SELECT id, lpad(name, 12, '.'), rpad(name, 12), repeat(left(name, 1), 3), reverse(name) FROM people;
SELECT id, replace(name, 'a', 'A'), translate(name, 'abc', 'xy'), split_part(name, ' ', 1), split_part(name, ' ', -1) FROM people;
SELECT id, concat(name, '-', dept, '-', notes), concat_ws('|', region, notes, dept), name || '!' FROM people;
SELECT id, ascii(name), chr(64 + dept), md5(name), to_hex(id) FROM people;
SELECT id, regexp_replace(name, '[aeiou]', '*', 'g'), regexp_replace(name, '(.)(.)', '\2\1') FROM people;
SELECT id, regexp_match(name, '([A-Z])([0-9]+)') FROM people;
-- files: refused 0A000 function regexp_substr over files is not supported
SELECT id, regexp_count(name, '[0-9]'), regexp_like(name, 'A'), regexp_instr(name, '[0-9]'), regexp_substr(name, '[0-9]+') FROM people;
-- files: refused 0A000 function regexp_split_to_array over files is not supported
SELECT id, regexp_split_to_array(name, ' ') FROM people;
SELECT id, string_to_array(notes, ' '), array_to_string(tags, '/', '-') FROM people;
SELECT id, format('%s of %s', name, region), format('%I %L', name, notes) FROM people;
-- files: refused 0A000 operator ^@ over files is not supported
SELECT id, starts_with(name, 'A'), name ^@ 'B' FROM people;
-- files: refused 42883 function 'octet_length' requires String, but received Binary (DataType: BinaryView)
SELECT id, encode(code, 'hex'), encode(code, 'base64'), length(code), octet_length(code) FROM people WHERE id < 20;
-- files: refused 0A000 function get_byte over files is not supported
SELECT id, substr(code, 2, 3), get_byte(code, 0), code || '\x00'::bytea FROM people WHERE id < 9;
SELECT sha256(name::bytea), md5(code) FROM people WHERE id < 9;
-- files: refused 0A000 function convert_from over files is not supported
SELECT decode('616263', 'hex'), convert_from('\x616263', 'UTF8'), id FROM departments;
-- upstream: refused 0A000 function quote_literal beside data of a PostgreSQL source is not supported
SELECT id, quote_literal(name), quote_ident(name), quote_nullable(notes) FROM people;
SELECT id, name < 'D', name >= 'Chl', name = ANY (ARRAY['x', 'y']) FROM people;
SELECT id, name LIKE '%1', name LIKE 'A__ %', name NOT ILIKE 'a%', notes LIKE '%' FROM people;
SELECT id, length(notes), coalesce(notes, 'none'), nullif(notes, '***') FROM people WHERE id % 2 = 1;
-- files: refused 42883 function 'octet_length' requires String, but received Binary (DataType: BinaryView)
SELECT length(t), upper(t), t || v, c || '|', length(c), v || '|', octet_length(by) FROM kinds;
SELECT t = v, c = 'ab', v = '42', c::text || '|', t LIKE '%\%%' FROM kinds;
SELECT id, to_char(id, '0000'), to_char(salary, 'FM999,999.00'), to_char(-id, 'S99') FROM people WHERE id < 30;
-- files: refused 0A000 function unistr over files is not supported
SELECT id, unistr('\0041') FROM departments WHERE id = 1;
SELECT E'a\tb', 'it''s', $$dollar$$, U&'\0041', id FROM departments WHERE id = 1;
-- files: refused 0A000 function normalize over files is not supported
SELECT normalize(name), ascii(right(name, 1)) FROM people WHERE id < 12;
SELECT string_agg(upper(left(name, 1)), '' ORDER BY id) FROM people;
SELECT id, name, char_length(email), left(ssn, 3), right(phone, 2) FROM people;
SELECT upper(status), length(note), note || '.' FROM orders WHERE id < 15;
SELECT parse_ident('a.b'), id FROM departments WHERE id = 1;
