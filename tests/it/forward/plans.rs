//! Indexes serve in each form: the plan of the very text, asked of the upstream.

use super::*;

async fn plan(client: &Client, statement: &str) -> String {
    let rows = client.query(&format!("EXPLAIN (COSTS OFF) {statement}"), &[]).await.unwrap();
    let plan = rows.iter().map(|row| row.get::<_, String>(0)).collect::<Vec<_>>().join("\n");
    // Each derived table calls its relation the same.
    let names = (1..5).map(|at| format!("__querygate_t_{at}."));
    names.chain(["__querygate_t.".to_owned()]).fold(plan, |plan, name| plan.replace(&name, ""))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn indexes_serve_in_each_form() {
    use Barrier::{Fenced, Flattened, Guarded};
    let server = server();
    let client = pinned(&server).await;
    company(&client).await;
    let (plain, asking) = ("region = 'EU'", "region IN (SELECT m.region FROM mine m)");
    for (filter, sql, barrier, serves) in [
        // A point.
        (plain, "SELECT name, ssn::int FROM people WHERE id = 7", Flattened, "Index Cond: (id = 7)"),
        (plain, "SELECT name FROM people WHERE worth = 7.5", Flattened, "Index Cond: (worth = 7.5)"),
        (plain, "SELECT name FROM people WHERE id = 7 AND ssn::int > 0", Guarded, "Index Cond: (id = 7)"),
        (plain, "SELECT name FROM people WHERE id = 7 AND random() > 0", Fenced, "Index Cond: (id = 7)"),
        (asking, "SELECT name FROM people WHERE id = 7", Flattened, "Index Cond: (id = 7)"),
        (asking, "SELECT max(ssn::int) FROM people WHERE id = 7", Flattened, "Index Cond: (id = 7)"),
        (asking, "SELECT name FROM people WHERE id = 7 AND ssn::int > 0", Fenced, "Index Cond: (id = 7)"),
        (plain, "SELECT x.name FROM (SELECT id, name FROM people) x WHERE x.id = 7", Flattened, "Index Cond: (id = 7)"),
        (
            plain,
            "WITH x AS (SELECT id, ssn::int AS n FROM people) SELECT n FROM x WHERE id = 7",
            Flattened,
            "Index Cond: (id = 7)",
        ),
        // A join by key.
        (
            plain,
            "SELECT p.ssn::int FROM depts d JOIN people p ON p.dept = d.id WHERE d.label = 'd7'",
            Flattened,
            "Index Cond: (dept = id)",
        ),
        (
            plain,
            "SELECT p.name FROM depts d JOIN people p ON p.dept = d.id WHERE d.label = 'd7' AND p.ssn::int > 0",
            Guarded,
            "Index Cond: (dept = id)",
        ),
        (
            plain,
            "SELECT p.name FROM depts d LEFT JOIN people p ON p.dept = d.id AND p.ssn::int > 0 WHERE d.label = 'd7'",
            Guarded,
            "Index Cond: (dept = id)",
        ),
        (
            asking,
            "SELECT p.ssn::int FROM depts d LEFT JOIN people p ON p.dept = d.id WHERE d.label = 'd7' ORDER BY p.ssn::int",
            Flattened,
            "Index Cond: (dept = id)",
        ),
        (
            plain,
            "SELECT p.name FROM people p LEFT JOIN depts d ON p.dept = d.id WHERE p.id = 7 AND d.label LIKE 'd%'",
            Flattened,
            "Index Cond: (id = 7)",
        ),
        (
            plain,
            "SELECT p.name FROM people p WHERE p.id IN (SELECT d.id FROM depts d WHERE d.label = 'd7')",
            Flattened,
            "Index Scan using people_pkey",
        ),
        (
            plain,
            "SELECT d.label, (SELECT max(p.ssn::int) FROM people p WHERE p.dept = d.id) FROM depts d",
            Flattened,
            "Index Cond: (dept = id)",
        ),
        // The first few of an order.
        (plain, "SELECT name, ssn::int FROM people ORDER BY id LIMIT 5", Flattened, "Index Scan using people_pkey"),
        (
            plain,
            "SELECT name FROM people WHERE ssn::int > 0 ORDER BY id LIMIT 5",
            Guarded,
            "Index Scan using people_pkey",
        ),
    ] {
        let forwarded = World::company().with("people", filtered(filter)).forward(sql);
        assert_eq!(barrier_of(&forwarded, "people"), barrier, "{sql}");
        let plan = plan(&client, forwarded.text()).await;
        assert!(plan.contains(serves), "{sql}\n{}\n{plan}", forwarded.text());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn indexes_serve_where_constants_are_typed_parameters() {
    let server = server();
    let client = pinned(&server).await;
    company(&client).await;
    client.batch_execute("SET plan_cache_mode = force_generic_plan").await.unwrap();
    let numeric = SqlType::Numeric { precision: 38, scale: 2 };
    for (at, (sql, types, arguments, barrier, serves)) in [
        (
            "SELECT name FROM people WHERE id = $1 AND salary > $2",
            vec![SqlType::BigInt, SqlType::Integer],
            "7, 3",
            Barrier::Flattened,
            "Index Cond: (id = $1)",
        ),
        (
            "SELECT name FROM people WHERE worth = $1",
            vec![numeric],
            "7.5",
            Barrier::Flattened,
            "Index Cond: (worth = $1)",
        ),
        (
            "SELECT name FROM people WHERE id = $1 AND ssn LIKE $2",
            vec![SqlType::BigInt, SqlType::Text],
            "7, 'secret\\'",
            Barrier::Guarded,
            "Index Cond: (id = $1)",
        ),
        (
            "SELECT p.name FROM depts d JOIN people p ON p.dept = d.id AND p.salary / $1 > 3 WHERE d.label = $2",
            vec![SqlType::Integer, SqlType::Text],
            "2, 'd7'",
            Barrier::Guarded,
            "Index Cond: (dept = id)",
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let declared: Vec<Option<SqlType>> = types.into_iter().map(Some).collect();
        let names = declared.iter().flatten().map(|one| match one {
            SqlType::Numeric { .. } => "numeric".to_owned(),
            other => other.to_string(),
        });
        let names: Vec<String> = names.collect();
        let world = World::company().with("people", filtered("region = 'EU'"));
        let forwarded = world.forward_with(sql, &declared);
        assert_eq!(barrier_of(&forwarded, "people"), barrier, "{sql}");
        let prepare = format!("PREPARE q{at} ({}) AS {}", names.join(", "), forwarded.text());
        client.batch_execute(&prepare).await.unwrap();
        let plan = plan(&client, &format!("EXECUTE q{at} ({arguments})")).await;
        assert!(plan.contains(serves), "{sql}\n{plan}");
        client
            .batch_execute(&format!("SET plan_cache_mode = force_custom_plan; EXECUTE q{at} ({arguments})"))
            .await
            .unwrap();
        client
            .batch_execute(&format!("SET plan_cache_mode = force_generic_plan; EXECUTE q{at} ({arguments})"))
            .await
            .unwrap();
    }
}
