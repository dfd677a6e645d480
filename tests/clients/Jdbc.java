// pgjdbc against a running gateway: java -cp postgresql.jar Jdbc.java host port

import java.math.BigDecimal;
import java.sql.Array;
import java.sql.Connection;
import java.sql.Date;
import java.sql.DatabaseMetaData;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.ResultSetMetaData;
import java.sql.SQLException;
import java.sql.Statement;
import java.sql.Timestamp;
import java.sql.Types;
import java.time.LocalDate;
import java.time.OffsetDateTime;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.List;

public class Jdbc {
    static String url;

    static Connection connect(String user, String options) throws SQLException {
        return DriverManager.getConnection(url + options, user, user + "-demo");
    }

    static void check(boolean holds, Object what) {
        if (!holds) {
            throw new AssertionError(String.valueOf(what));
        }
    }

    static List<String> column(ResultSet rows, String name) throws SQLException {
        List<String> values = new ArrayList<>();
        while (rows.next()) {
            values.add(rows.getString(name));
        }
        return values;
    }

    public static void main(String[] arguments) throws Exception {
        url = "jdbc:postgresql://" + arguments[0] + ":" + arguments[1] + "/retail?sslmode=disable";
        for (String options : new String[] {"&prepareThreshold=1", "", "&binaryTransfer=false", "&prepareThreshold=0"}) {
            try (Connection bob = connect("bob", options)) {
                values(bob);
                streams(bob);
            }
        }
        try (Connection bob = connect("bob", "&preferQueryMode=simple")) {
            simple(bob);
        }
        try (Connection alice = connect("alice", "")) {
            metadata(alice);
            denied(alice);
        }
        System.out.println("done");
    }

    // Values of every kind go in and come out, again and again: the driver changes to binary on the way.
    static void values(Connection bob) throws SQLException {
        String sql = "SELECT id, name, salary, birth_date, created_at, region FROM people"
            + " WHERE id < ? AND region = ? AND created_at >= ? AND birth_date > ? AND salary >= ? ORDER BY id LIMIT ?";
        try (PreparedStatement statement = bob.prepareStatement(sql)) {
            for (int round = 0; round < 7; round++) {
                statement.setInt(1, 600);
                statement.setString(2, "US");
                statement.setTimestamp(3, Timestamp.valueOf("2001-01-01 00:00:00"));
                statement.setDate(4, Date.valueOf("1901-01-01"));
                statement.setBigDecimal(5, new BigDecimal("0.50"));
                statement.setLong(6, 10);
                int count = 0;
                try (ResultSet rows = statement.executeQuery()) {
                    while (rows.next()) {
                        check(rows.getLong("id") < 600, "id");
                        check("US".equals(rows.getString("region")), "region");
                        check(rows.getObject("created_at", OffsetDateTime.class).isAfter(
                            OffsetDateTime.of(2001, 1, 1, 0, 0, 0, 0, ZoneOffset.UTC)), "created_at");
                        check(rows.getObject("birth_date", LocalDate.class).getYear() > 1901, "birth_date");
                        count++;
                    }
                }
                check(count > 0 && count <= 10, "rows: " + count);
            }
        }
        String kinds = "SELECT CAST(? AS int4), CAST(? AS int8), CAST(? AS float8), CAST(? AS numeric), CAST(? AS text),"
            + " CAST(? AS boolean), CAST(? AS date), CAST(? AS timestamp), CAST(? AS timestamptz), CAST(? AS text),"
            + " CAST(? AS bytea)";
        try (PreparedStatement statement = bob.prepareStatement(kinds)) {
            for (int round = 0; round < 7; round++) {
                statement.setInt(1, -7);
                statement.setLong(2, 1L << 40);
                statement.setDouble(3, 0.25);
                statement.setBigDecimal(4, new BigDecimal("-1234.5678"));
                statement.setString(5, "it's \\ a \"text\" \u00e4\u20ac");
                statement.setBoolean(6, true);
                statement.setObject(7, LocalDate.of(2024, 2, 29));
                statement.setTimestamp(8, Timestamp.valueOf("2024-02-29 12:34:56.789"));
                statement.setObject(9, OffsetDateTime.of(2024, 2, 29, 12, 0, 0, 0, ZoneOffset.UTC));
                statement.setNull(10, Types.VARCHAR);
                statement.setBytes(11, new byte[] {0, 1, (byte) 255});
                try (ResultSet rows = statement.executeQuery()) {
                    check(rows.next(), "a row");
                    check(rows.getInt(1) == -7 && rows.getLong(2) == 1L << 40 && rows.getDouble(3) == 0.25, "numbers");
                    check(rows.getBigDecimal(4).compareTo(new BigDecimal("-1234.5678")) == 0, rows.getString(4));
                    check(rows.getString(5).equals("it's \\ a \"text\" \u00e4\u20ac"), rows.getString(5));
                    check(rows.getBoolean(6), "boolean");
                    check(rows.getObject(7, LocalDate.class).equals(LocalDate.of(2024, 2, 29)), rows.getString(7));
                    check(rows.getTimestamp(8).equals(Timestamp.valueOf("2024-02-29 12:34:56.789")), rows.getString(8));
                    check(rows.getObject(9, OffsetDateTime.class).toInstant().toString().equals("2024-02-29T12:00:00Z"),
                        rows.getString(9));
                    check(rows.getString(10) == null && rows.wasNull(), "null");
                    check(rows.getBytes(11).length == 3 && rows.getBytes(11)[2] == -1, "bytes");
                }
            }
        }
        try (PreparedStatement statement = bob.prepareStatement("SELECT count(*) FROM people WHERE id = ANY (?)")) {
            for (int round = 0; round < 7; round++) {
                Array ids = bob.createArrayOf("int8", new Long[] {1L, 2L, 3L, 4L, 5L, 6L, 7L, 8L});
                statement.setArray(1, ids);
                try (ResultSet rows = statement.executeQuery()) {
                    check(rows.next() && rows.getLong(1) <= 8, "any");
                }
            }
        }
        try (PreparedStatement statement = bob.prepareStatement("SELECT id, email FROM people WHERE email LIKE ?")) {
            ResultSetMetaData described = statement.getMetaData();
            check(described.getColumnCount() == 2 && described.getColumnName(2).equals("email"), "described");
            check(statement.getParameterMetaData().getParameterCount() == 1, "parameters");
        }
    }

    // The driver writes the values into the text.
    static void simple(Connection bob) throws SQLException {
        String sql = "SELECT id FROM people WHERE id < ? AND region = ? AND salary >= ? ORDER BY id LIMIT ?";
        try (PreparedStatement statement = bob.prepareStatement(sql)) {
            statement.setInt(1, 600);
            statement.setString(2, "US");
            statement.setBigDecimal(3, new BigDecimal("0.50"));
            statement.setLong(4, 10);
            try (ResultSet rows = statement.executeQuery()) {
                check(!column(rows, "id").isEmpty(), "rows");
            }
        }
        // The driver writes a date with a time zone behind it.
        String dates = "SELECT count(*), CAST(? AS date), CAST(? AS timestamp), CAST(? AS text) FROM people"
            + " WHERE birth_date > ? AND created_at > ? AND birth_date NOT IN (?)";
        try (PreparedStatement statement = bob.prepareStatement(dates)) {
            for (int at = 1; at <= 6; at++) {
                statement.setDate(at, Date.valueOf("1970-01-02"));
            }
            try (ResultSet rows = statement.executeQuery()) {
                check(rows.next() && rows.getLong(1) > 0, "dates");
                check(Date.valueOf("1970-01-02").equals(rows.getDate(2)), rows.getString(2));
                check(rows.getString(3).equals("1970-01-02 00:00:00"), rows.getString(3));
                check(rows.getString(4).startsWith("1970-01-02 +"), rows.getString(4));
            }
        }
    }

    // With a fetch size and no autocommit the driver reads a portal piece by piece.
    static void streams(Connection bob) throws SQLException {
        bob.setAutoCommit(false);
        long all;
        try (Statement statement = bob.createStatement();
             ResultSet rows = statement.executeQuery("SELECT count(*) FROM people")) {
            rows.next();
            all = rows.getLong(1);
        }
        try (Statement statement = bob.createStatement()) {
            statement.setFetchSize(50);
            long seen = 0;
            try (ResultSet rows = statement.executeQuery("SELECT id, name FROM people")) {
                while (rows.next()) {
                    seen++;
                }
            }
            check(seen == all && all > 50, seen + " of " + all);
            statement.setMaxRows(5);
            seen = 0;
            try (ResultSet rows = statement.executeQuery("SELECT id FROM people")) {
                while (rows.next()) {
                    seen++;
                }
            }
            check(seen == 5, "the first five, not " + seen);
        }
        bob.commit();
        bob.setAutoCommit(true);
        bob.setReadOnly(true);
        check(bob.isValid(5), "valid");
    }

    static void metadata(Connection alice) throws SQLException {
        DatabaseMetaData about = alice.getMetaData();
        check(about.getDatabaseProductName().equals("PostgreSQL"), about.getDatabaseProductName());
        List<String> tables;
        try (ResultSet rows = about.getTables(null, null, "%", new String[] {"TABLE"})) {
            tables = column(rows, "TABLE_NAME");
        }
        check(tables.contains("people") && tables.contains("regions"), tables);
        check(!tables.contains("payroll") && !tables.contains("investigations"), tables);
        try (ResultSet rows = about.getTables(null, null, null, null)) {
            check(!column(rows, "TABLE_NAME").contains("investigations"), "hidden");
        }
        try (ResultSet rows = about.getSchemas()) {
            check(column(rows, "TABLE_SCHEM").contains("public"), "schemas");
        }
        try (ResultSet rows = about.getColumns(null, "public", "people", "%")) {
            List<String> columns = column(rows, "COLUMN_NAME");
            check(columns.contains("id") && columns.contains("email"), columns);
        }
        try (ResultSet rows = about.getColumns(null, null, "payroll", "%")) {
            check(column(rows, "COLUMN_NAME").isEmpty(), "columns of a denied table");
        }
        try (ResultSet rows = about.getPrimaryKeys(null, "public", "people")) {
            check(rows.next() && rows.getString("COLUMN_NAME").equals("id") && rows.getInt("KEY_SEQ") == 1, "key");
            check(!rows.next(), "one column");
        }
        try (ResultSet rows = about.getImportedKeys(null, "public", "people")) {
            check(rows.next() && rows.getString("PKTABLE_NAME").equals("regions"), "imported");
            check(rows.getString("FKCOLUMN_NAME").equals("region") && rows.getInt("KEY_SEQ") == 1, "imported column");
        }
        try (ResultSet rows = about.getExportedKeys(null, "public", "regions")) {
            check(column(rows, "FKTABLE_NAME").contains("people"), "exported");
        }
        try (ResultSet rows = about.getIndexInfo(null, "public", "people", false, false)) {
            check(column(rows, "COLUMN_NAME").contains("id"), "index");
        }
        try (ResultSet rows = about.getBestRowIdentifier(null, "public", "people", 0, true)) {
            check(column(rows, "COLUMN_NAME").contains("id"), "best row identifier");
        }
        try (ResultSet rows = about.getTypeInfo()) {
            check(column(rows, "TYPE_NAME").contains("int4"), "types");
        }
        try (ResultSet rows = about.getCatalogs()) {
            check(column(rows, "TABLE_CAT").contains("retail"), "catalogs");
        }
        try (ResultSet rows = about.getTablePrivileges(null, "public", "people")) {
            check(column(rows, "PRIVILEGE").contains("SELECT"), "privileges");
        }
        try (ResultSet rows = about.getProcedures(null, "public", "%")) {
            check(!rows.next(), "procedures");
        }
        check(about.getMaxColumnNameLength() == 63, "names");
    }

    static void denied(Connection alice) throws SQLException {
        try (Statement statement = alice.createStatement()) {
            statement.executeQuery("SELECT * FROM payroll");
            throw new AssertionError("payroll was read");
        } catch (SQLException error) {
            check("42501".equals(error.getSQLState()), error.getSQLState());
            check(error.getMessage().contains("Hint"), error.getMessage());
        }
        try (Statement statement = alice.createStatement();
             ResultSet rows = statement.executeQuery("SELECT 1")) {
            check(rows.next(), "the connection goes on");
        }
    }
}
