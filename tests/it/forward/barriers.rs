//! No statement fails on a hidden row or tells of one, in whatever form it is forwarded; and would, without.

use super::*;
use tokio_postgres::SimpleQueryMessage;

/// The row filter that hides people of the US; costly, so that PostgreSQL would rather evaluate a user's condition first.
const PLAIN: &str = "lower(upper(lower(upper(lower(btrim(region)))))) = 'eu'";
/// The same as a subquery.
const ASKING: &str = "region IN (SELECT m.region FROM mine m)";

/// What takes one barrier out of a text.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Taken {
    Fence,
    Guard,
    /// The filter's subquery may become a join.
    Pin,
    /// A fenced column has statistics again.
    Veil,
}

fn without(text: &str, taken: Taken) -> String {
    match taken {
        Taken::Fence => text.replace(" OFFSET 0", ""),
        Taken::Guard => without_guards(text),
        Taken::Pin => text.replace(" IS TRUE)", ")"),
        Taken::Veil => text.replace(
            "CASE WHEN __querygate_t.ssn IS NOT NULL THEN __querygate_t.ssn END AS ssn",
            "__querygate_t.ssn AS ssn",
        ),
    }
}

/// `CASE WHEN p.__querygate_visible IS NOT FALSE THEN condition END` as the condition alone.
fn without_guards(text: &str) -> String {
    let mut words: Vec<String> = Vec::new();
    // Of each CASE that is open, whether it is a guard.
    let mut open = Vec::new();
    let mut before = None;
    for word in text.split(' ') {
        let (bare, rest) = word.split_at(word.find([')', ',']).unwrap_or(word.len()));
        if let Some(brackets) = &before
            && bare == "THEN"
        {
            words.push(format!("{brackets}("));
            before = None;
        } else if before.is_some() {
        } else if bare.ends_with("__querygate_visible") && words.last().is_some_and(|last| last == "WHEN") {
            words.pop();
            before = words.pop().map(|case| case.replace("CASE", ""));
            *open.last_mut().unwrap() = true;
        } else if bare == "END" && open.pop() == Some(true) {
            words.push(format!("){rest}"));
        } else {
            if bare.trim_start_matches('(') == "CASE" {
                open.push(false);
            }
            words.push(word.to_owned());
        }
    }
    words.join(" ")
}

/// Fewer people: every way of joining them is tried.
async fn few(client: &Client) {
    company(client).await;
    client.batch_execute("DELETE FROM sales.people WHERE id > 1000; ANALYZE sales.people").await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn barriers_hold_and_would_leak_if_they_were_taken_out() {
    use Barrier::{Fenced, Flattened, Guarded};
    let server = server();
    let client = pinned(&server).await;
    few(&client).await;
    for (filter, sql, barrier, taken) in [
        // The error names a hidden value.
        (PLAIN, "SELECT id FROM people WHERE id = 8 AND ssn::int > 0", Guarded, Taken::Guard),
        // One bit a statement.
        (PLAIN, "SELECT id FROM people WHERE id = 8 AND 1 / (salary - 1008) > 0", Guarded, Taken::Guard),
        (
            PLAIN,
            "SELECT count(*) FROM people WHERE CASE WHEN ssn LIKE 'secret8' THEN 1 / (salary - 1008) > 0 END",
            Guarded,
            Taken::Guard,
        ),
        (PLAIN, "SELECT count(*) FROM people WHERE NOT (ssn::int < 0 OR id = 3)", Guarded, Taken::Guard),
        (PLAIN, "SELECT count(*) FROM people WHERE salary = 1 / (salary - 1008)", Guarded, Taken::Guard),
        (
            PLAIN,
            "SELECT count(p.id) FROM depts d LEFT JOIN people p ON p.id = d.id AND p.ssn::int > 0",
            Guarded,
            Taken::Guard,
        ),
        (
            PLAIN,
            "SELECT count(p.id) FROM depts d JOIN people p ON p.id = d.id AND p.ssn::int > d.id - 1 WHERE d.label = 'd8'",
            Guarded,
            Taken::Guard,
        ),
        (
            PLAIN,
            "SELECT count(*) FROM depts d WHERE EXISTS (SELECT 1 FROM people p WHERE p.dept = d.id AND p.ssn::int > 0)",
            Guarded,
            Taken::Guard,
        ),
        (
            PLAIN,
            "SELECT x.id FROM (SELECT id FROM people WHERE ssn::int > 0) x WHERE x.id IN (7, 8)",
            Guarded,
            Taken::Guard,
        ),
        // By way of equivalence classes.
        (
            PLAIN,
            "SELECT count(*) FROM people p JOIN (SELECT code::int AS c FROM depts) d ON p.ssn::int = d.c WHERE d.c = 3",
            Fenced,
            Taken::Fence,
        ),
        (PLAIN, "SELECT salary FROM people GROUP BY salary HAVING 1 / (salary - 1008) > 0", Fenced, Taken::Fence),
        (
            PLAIN,
            "WITH x AS (SELECT id, ssn::int AS n FROM people) SELECT count(*) FROM x WHERE n > 0",
            Fenced,
            Taken::Fence,
        ),
        (
            PLAIN,
            "SELECT count(*) FROM (SELECT ssn FROM people UNION ALL SELECT code FROM depts) x WHERE x.ssn::int > 0",
            Fenced,
            Taken::Fence,
        ),
        (
            PLAIN,
            "SELECT count(*) FROM depts d WHERE d.id = 3 AND d.id IN (SELECT p.ssn::int FROM people p)",
            Fenced,
            Taken::Fence,
        ),
        // Whether a hidden row is there, by what is evaluated if one is.
        (PLAIN, "SELECT id FROM people WHERE id = 8 AND salary > (SELECT d.id FROM depts d)", Fenced, Taken::Fence),
        (PLAIN, "SELECT id FROM people WHERE id = 8 AND random() / 0 > 1", Fenced, Taken::Fence),
        (
            PLAIN,
            "SELECT p.id FROM people p, (VALUES (1)) v (n) WHERE p.id = 8 AND random() / (v.n - 1) > 1",
            Fenced,
            Taken::Fence,
        ),
        (
            PLAIN,
            "SELECT d.id FROM depts d WHERE EXISTS (SELECT 1 FROM people p WHERE p.id = 8 AND random() / (d.id - 8) > 5)",
            Fenced,
            Taken::Fence,
        ),
        // A filter that is a subquery becomes a join.
        (ASKING, "SELECT count(id) FROM people WHERE ssn::int > 0", Fenced, Taken::Fence),
        (
            ASKING,
            "SELECT d.id, p.x FROM depts d LEFT JOIN (SELECT id, coalesce(ssn::int, 0) AS x FROM people) p ON p.id = d.id",
            Flattened,
            Taken::Pin,
        ),
        // While it plans, PostgreSQL tries patterns on samples of hidden values, through a fence.
        (PLAIN, "SELECT count(*) FROM people WHERE ssn LIKE 'secret%\\' AND random() < 2", Fenced, Taken::Veil),
        (
            PLAIN,
            "SELECT x.ssn FROM (SELECT ssn FROM people) x WHERE x.ssn NOT ILIKE 'SECRET%!' ESCAPE '!'",
            Fenced,
            Taken::Veil,
        ),
        (PLAIN, "SELECT ssn FROM people GROUP BY ssn HAVING ssn LIKE 'secret%\\' OR count(*) > 5", Fenced, Taken::Veil),
        (PLAIN, "SELECT ssn FROM people WHERE ssn LIKE 'secret%\\'", Guarded, Taken::Guard),
    ] {
        let forwarded = World::company().with("people", filtered(filter)).forward(sql);
        assert_eq!(barrier_of(&forwarded, "people"), barrier, "{sql}\n{}", forwarded.text());
        for planner in PLANNERS {
            plan_as(&client, planner).await;
            if let Err(error) = client.query(forwarded.text(), &[]).await {
                panic!("{planner} {sql}: {error:?}\n{}", forwarded.text());
            }
        }
        let open = without(forwarded.text(), taken);
        assert_ne!(open, forwarded.text(), "{sql}");
        let mut leaks = false;
        for planner in PLANNERS {
            plan_as(&client, planner).await;
            leaks |= client.query(&open, &[]).await.is_err();
        }
        assert!(leaks, "it does not show that {taken:?} is needed: {sql}\n{open}");
    }
}

/// Rows as text, in an order of their own.
async fn rows(client: &Client, text: &str) -> Result<Vec<String>, tokio_postgres::Error> {
    let messages = client.simple_query(text).await?;
    let mut rows: Vec<String> = messages
        .iter()
        .filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some((0..row.len()).map(|at| format!("{:?} ", row.get(at))).collect()),
            _other => None,
        })
        .collect();
    rows.sort();
    Ok(rows)
}

/// Statements of people that hold what fails on each hidden row, at places that see none.
const ABOVE: &[&str] = &[
    "SELECT ssn::int FROM people WHERE id = 8",
    "SELECT ssn::int, 1 / (salary - 1008) FROM people WHERE id IN (7, 8, 9) ORDER BY ssn::int",
    "SELECT sum(ssn::int), ssn::int % 3 FROM people GROUP BY ssn::int % 3 HAVING sum(ssn::int) > 3 ORDER BY 2",
    "SELECT DISTINCT ON (p.ssn::int % 5) p.ssn::int % 5 FROM people p JOIN depts d ON d.id = p.dept ORDER BY p.ssn::int % 5",
    "SELECT p.ssn::int * q.ssn::int, d.code::int FROM people p, people q, depts d WHERE p.id = q.id AND d.id = p.dept ORDER BY p.ssn::int LIMIT 3",
    "SELECT rank() OVER (PARTITION BY ssn::int % 7 ORDER BY ssn::int) FROM people WHERE dept = 8 OR dept = 9",
    "SELECT max(ssn::int), min(1 / (salary - 1008)) FROM people",
    "SELECT count(DISTINCT ssn::int) FROM people p JOIN depts d ON p.dept = d.id AND d.label <> 'd3'",
    "SELECT d.id, p.ssn::int + d.id FROM depts d LEFT JOIN people p ON p.id = d.id",
    "SELECT d.id, x.n, coalesce(x.m, -1) FROM depts d LEFT JOIN (SELECT id, ssn::int AS n, coalesce(ssn::int, 0) AS m FROM people) x ON x.id = d.id",
    "SELECT p.ssn::int, d.id FROM people p FULL JOIN depts d ON d.id = p.id",
    "SELECT p.ssn::int FROM depts d LEFT JOIN (depts e JOIN people p ON p.id = e.id) ON p.dept = d.id ORDER BY p.ssn::int",
    "SELECT x.n FROM (SELECT id, ssn::int AS n FROM people) x WHERE x.id < 10 ORDER BY x.n LIMIT 3",
    "WITH x AS (SELECT id, dept, ssn::int AS n FROM people) SELECT x.n, d.id FROM x JOIN depts d ON d.id = x.dept WHERE x.id < 10",
    "WITH x AS (SELECT id, dept, ssn::int AS n FROM people) SELECT a.n, b.n FROM x a JOIN x b ON a.id = b.id WHERE a.id < 10",
    "SELECT k, s FROM (SELECT dept AS k, sum(ssn::int) AS s FROM people GROUP BY dept) x WHERE x.s / 2 > 3 AND x.k < 20",
    "SELECT id FROM (SELECT id, ssn::int AS n, row_number() OVER (PARTITION BY dept ORDER BY ssn::int) AS r FROM people) x WHERE r / 1 < 3",
    "SELECT ssn::int FROM people WHERE id < 9 UNION SELECT d.id FROM depts d",
    "SELECT n FROM (SELECT id, ssn::int AS n FROM people UNION ALL SELECT id, code::int FROM depts) x WHERE x.id = 8",
    "SELECT n FROM (SELECT id, ssn::int AS n FROM people EXCEPT SELECT id, code::int FROM depts) x WHERE x.id < 8",
    "SELECT ssn::int FROM people WHERE id IN (SELECT d.id FROM depts d WHERE d.label <> 'd3')",
    "SELECT p.ssn::int FROM people p WHERE NOT EXISTS (SELECT 1 FROM depts d WHERE d.id = p.dept AND d.label = 'd8')",
    "SELECT p.ssn::int FROM people p WHERE p.id < 20 AND (p.id = 9 OR EXISTS (SELECT 1 FROM depts d WHERE d.id = p.id))",
    "SELECT ssn::int FROM people WHERE id = (SELECT max(d.id) FROM depts d)",
    "SELECT d.id, (SELECT max(p.ssn::int) FROM people p WHERE p.dept = d.id) FROM depts d",
    "SELECT d.id, (SELECT count(*) FROM people q WHERE q.dept = p.dept), p.ssn::int FROM people p JOIN depts d ON d.id = p.id",
    "SELECT d.id FROM depts d WHERE d.id IN (SELECT p.id FROM people p WHERE p.name <> 'n3' AND p.worth > 3.5)",
    "SELECT p.ssn::int, u FROM people p, generate_series(1, p.ssn::int % 3) u WHERE p.id < 12",
    "SELECT p.id, x.n FROM people p, LATERAL (SELECT d.id + p.ssn::int AS n FROM depts d WHERE d.id = p.dept) x WHERE p.id < 12",
    "WITH RECURSIVE r (n) AS (SELECT d.id FROM depts d WHERE d.id < 3 UNION ALL SELECT p.id + p.ssn::int FROM r JOIN people p ON p.id = r.n) SELECT n FROM r LIMIT 20",
    "SELECT grouping(region), region, max(ssn::int) FROM people GROUP BY ROLLUP (region)",
    "SELECT p.id FROM people p JOIN depts d ON d.id = p.dept WHERE p.id < 50 AND d.label LIKE 'd%3' ORDER BY p.ssn::int",
];

/// Conditions that fail on hidden rows, where a guard or a fence stands before them.
const BEFORE: &[&str] = &[
    "SELECT id, ssn FROM people WHERE ssn::int > 0 AND id < 20 ORDER BY id LIMIT 5",
    "SELECT id FROM people WHERE name LIKE 'n1%' AND ssn::int % 3 = 0",
    "SELECT d.id, p.id FROM depts d LEFT JOIN people p ON p.dept = d.id AND p.ssn::int < 500",
    "SELECT d.id, p.id FROM depts d LEFT JOIN people p ON p.id = d.id WHERE coalesce(p.ssn::int, 0) < 50",
    "SELECT d.id, p.id FROM people p RIGHT JOIN depts d ON p.id = d.id AND p.ssn::int + d.id > 9 WHERE p.ssn::int IS NULL OR p.ssn::int > 20",
    "SELECT p.id, q.id FROM people p JOIN people q ON p.id = q.dept AND p.ssn::int + q.ssn::int > 100 WHERE q.id < 300",
    "SELECT d.id FROM depts d WHERE NOT EXISTS (SELECT 1 FROM people p WHERE p.dept = d.id AND p.ssn::int > 9000)",
    "SELECT p.id FROM people p JOIN depts d ON p.ssn::int = d.id",
    "SELECT x.id FROM (SELECT id, ssn FROM people) x WHERE x.ssn::int < 30",
    "SELECT max(id) FROM people GROUP BY ssn HAVING ssn::int < 30",
    "SELECT p.id FROM people p WHERE p.salary > 1000 + (SELECT min(d.id) FROM depts d WHERE d.id > p.ssn::int) LIMIT 500",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_form_answers_as_a_table_of_visible_rows_would() {
    let server = server();
    let client = pinned(&server).await;
    few(&client).await;
    client
        .batch_execute(
            "CREATE SCHEMA seen; CREATE TABLE seen.people (LIKE sales.people INCLUDING ALL);
             INSERT INTO seen.people SELECT * FROM sales.people WHERE region = 'EU'; ANALYZE seen.people",
        )
        .await
        .unwrap();
    for (stage, change) in [
        ("as it is", ""),
        (
            "with more to choose from",
            "CREATE INDEX ON sales.people (region); CREATE INDEX ON sales.people (salary, id);
             CREATE INDEX ON sales.people (ssn) WHERE region = 'EU'; CREATE INDEX ON sales.people ((length(ssn)));
             CREATE STATISTICS sales.both (mcv, dependencies) ON region, dept FROM sales.people;
             INSERT INTO sales.people SELECT -i, 'x', 'secret', 1008, 'US', 8, 0 FROM generate_series(1, 500) i;
             ANALYZE sales.people",
        ),
        (
            "with nothing",
            "ALTER TABLE sales.people DROP CONSTRAINT people_pkey;
             DROP INDEX sales.people_dept_idx, sales.people_worth_idx, sales.people_region_idx, sales.people_salary_id_idx;
             DELETE FROM pg_catalog.pg_statistic WHERE starelid = 'sales.people'::regclass",
        ),
    ] {
        plan_as(&client, "").await;
        client.batch_execute(change).await.unwrap();
        for filter in [PLAIN, ASKING] {
            let world = World::company().with("people", filtered(filter));
            for (sql, is_above) in ABOVE.iter().map(|sql| (sql, true)).chain(BEFORE.iter().map(|sql| (sql, false))) {
                let forwarded = world.forward(sql);
                let barrier = barrier_of(&forwarded, "people");
                assert_eq!(barrier == Barrier::Flattened, is_above, "{filter} {sql}\n{}", forwarded.text());
                plan_as(&client, "").await;
                let limited = sql.contains("LIMIT") && !sql.contains("ORDER BY");
                let expected = rows(&client, &forwarded.text().replace("sales.people", "seen.people")).await.unwrap();
                for planner in PLANNERS {
                    plan_as(&client, planner).await;
                    match rows(&client, forwarded.text()).await {
                        Ok(found) if limited => assert_eq!(found.len(), expected.len(), "{sql}"),
                        Ok(found) => assert_eq!(found, expected, "{stage} {planner} {sql}\n{}", forwarded.text()),
                        Err(error) => panic!("{stage} {planner} {filter} {sql}: {error:?}\n{}", forwarded.text()),
                    }
                }
            }
        }
    }
}
