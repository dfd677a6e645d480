// node-postgres against a running gateway: node node.mjs host port folder-with-node_modules

import assert from 'node:assert/strict';
import { createRequire } from 'node:module';

const [host, port, folder] = process.argv.slice(2);
const load = createRequire(`${folder}/package.json`);
const pg = load('pg');
const Cursor = load('pg-cursor');

const open = async (user, more = {}) => {
  const client = new pg.Client({ host, port: Number(port), user, password: `${user}-demo`, database: 'retail', ...more });
  await client.connect();
  return client;
};

const bob = await open('bob');
const alice = await open('alice');

const rows = (await bob.query('SELECT id, name, salary, created_at, birth_date FROM people WHERE id < $1 ORDER BY id', [500])).rows;
assert(rows.length > 0 && rows[0].created_at instanceof Date);

// Values of every kind, and the same as a named statement that is prepared once.
const kinds = {
  name: 'kinds',
  text: `SELECT $1::int4 AS i, $2::int8 AS b, $3::float8 AS f, $4::numeric AS n, $5::text AS t, $6::bool AS y,
         $7::timestamptz AS at, $8::text AS nothing, $9::bytea AS bytes, $10::text[] AS list`,
  values: [-7, '1099511627776', 0.25, '-1234.5678', "it's ä€", true, new Date('2024-02-29T12:00:00Z'), null, Buffer.from([0, 255]), ['a,b', null, '"']],
};
for (let round = 0; round < 3; round++) {
  const [row] = (await bob.query(kinds)).rows;
  assert.equal(row.i, -7);
  assert.equal(row.b, '1099511627776');
  assert.equal(row.f, 0.25);
  assert.equal(Number(row.n), -1234.5678);
  assert.equal(row.t, "it's ä€");
  assert.equal(row.y, true);
  assert.equal(row.at.toISOString(), '2024-02-29T12:00:00.000Z');
  assert.equal(row.nothing, null);
  assert.deepEqual([...row.bytes], [0, 255]);
  assert.deepEqual(row.list, ['a,b', null, '"']);
}

const since = (await bob.query('SELECT count(*) AS n FROM people WHERE created_at >= $1 AND birth_date < $2 AND region = ANY ($3)',
  [new Date('2001-01-01T00:00:00Z'), '2020-01-01', ['US', 'EU']])).rows[0].n;
assert(Number(since) > 0);
const limited = await bob.query('SELECT id FROM people ORDER BY id LIMIT $1 OFFSET $2', [3, 2]);
assert.equal(limited.rowCount, 3);
const binary = await bob.query({ text: 'SELECT count(*) AS n FROM people', binary: true });
const text = await bob.query('SELECT count(*) AS n FROM people');
assert.equal(binary.rows[0].n.toString(), text.rows[0].n);

// A cursor reads a portal piece by piece.
await bob.query('BEGIN');
const cursor = bob.query(new Cursor('SELECT id FROM people', []));
let seen = 0;
for (let page; (page = await cursor.read(64)).length > 0; ) seen += page.length;
await cursor.close();
await bob.query('COMMIT');
assert.equal(String(seen), text.rows[0].n);

// What one user may not read is an error with a hint, and the connection goes on.
await assert.rejects(alice.query('SELECT * FROM payroll'), (error) => error.code === '42501' && error.hint.length > 0);
await assert.rejects(alice.query('SELECT * FROM hr.investigations'), (error) => error.code === '42P01');
assert.equal((await alice.query("SELECT count(*) AS n FROM people WHERE region <> 'EU'")).rows[0].n, '0');

// Several statements in one string, an array of rows, concurrent queries on one connection.
const several = await alice.query("SELECT 1 AS a; SELECT 'x' AS b");
assert.deepEqual(several.map((result) => result.rows[0]), [{ a: 1 }, { b: 'x' }]);
const arrays = await alice.query({ text: 'SELECT 1, 2', rowMode: 'array' });
assert.deepEqual(arrays.rows, [[1, 2]]);
const many = await Promise.all([1, 2, 3].map((n) => alice.query('SELECT $1::int AS n', [n])));
assert.deepEqual(many.map((result) => result.rows[0].n), [1, 2, 3]);

await Promise.all([bob.end(), alice.end()]);
console.log('done');
