"""psqlODBC against a running gateway: python odbc.py host port"""

import datetime
import decimal
import sys

import pyodbc

host, port = sys.argv[1:3]


def connect(user, options="", autocommit=True):
    text = f"DRIVER={{PostgreSQL Unicode}};SERVER={host};PORT={port};DATABASE=retail;UID={user};PWD={user}-demo;SSLmode=disable;{options}"
    return pyodbc.connect(text, autocommit=autocommit)


# Prepared by the server, written into the text by the driver, and in a transaction.
for options, autocommit in [("", True), ("UseServerSidePrepare=0;", True), ("", False)]:
    bob = connect("bob", options, autocommit)
    count = bob.execute("SELECT count(*) FROM people").fetchone()[0]
    assert count > 50, count
    rows = bob.execute("SELECT id, name, salary, created_at, birth_date FROM people").fetchall()
    assert len(rows) == count, (len(rows), count)
    since = datetime.datetime(2001, 1, 1)
    sql = "SELECT id, salary FROM people WHERE id < ? AND region = ? AND created_at >= ? AND birth_date > ? ORDER BY id"
    assert bob.execute(sql, 500, "US", since, datetime.date(1901, 1, 1)).fetchall()
    given = (7, decimal.Decimal("1.50"), "it's", datetime.date(2024, 2, 29))
    row = bob.execute("SELECT CAST(? AS int), CAST(? AS numeric), CAST(? AS text), CAST(? AS date)", *given).fetchone()
    assert tuple(row) == given, row
    bob.close()

# Rows by a cursor that the driver declares, in pages: held where it commits each statement.
for autocommit in (True, False):
    bob = connect("bob", "UseDeclareFetch=1;Fetch=20;", autocommit)
    ids = [row.id for row in bob.execute("SELECT id FROM people ORDER BY id").fetchall()]
    assert len(ids) == count and ids == sorted(ids), len(ids)
    first, second = bob.cursor(), bob.cursor()
    first.execute("SELECT id FROM people ORDER BY id")
    assert first.fetchone()[0] == ids[0]
    second.execute("SELECT id FROM people ORDER BY id DESC")
    assert [row.id for row in second.fetchall()] == ids[::-1]
    assert [row.id for row in first.fetchall()] == ids[1:]
    bob.close()

alice = connect("alice")
tables = [row.table_name for row in alice.cursor().tables(tableType="TABLE")]
assert "people" in tables and "payroll" not in tables and "investigations" not in tables, tables
columns = [row.column_name for row in alice.cursor().columns(table="people")]
assert "id" in columns and "email" in columns, columns
assert [row.column_name for row in alice.cursor().primaryKeys("people")] == ["id"]
assert [row.fkcolumn_name for row in alice.cursor().foreignKeys(foreignTable="people")] == ["region"]
keys = [(row.index_name, row.column_name, row.non_unique) for row in alice.cursor().statistics("people") if row.index_name]
assert keys == [("people_pkey", "id", 0)], keys
try:
    alice.execute("SELECT * FROM payroll")
    raise SystemExit("payroll was read")
except pyodbc.Error as error:
    assert error.args[0] == "42501", error.args
assert alice.execute("SELECT 1").fetchone()[0] == 1
print("done")
