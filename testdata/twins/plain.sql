-- What the policies of the twins mean, as plain views: PostgreSQL's planner takes these apart, and evaluates a user's
-- expression on hidden rows and unmasked values where that is cheaper. They show that the statements reach for it.
CREATE SCHEMA plain;
CREATE VIEW plain.people AS
    SELECT id, left(name, 1) || '***' AS name,
        CASE WHEN email LIKE '%@%' THEN left(email, 1) || '***@' || split_part(email, '@', -1) ELSE md5(email) END AS email,
        '***' || right(ssn, 4) AS ssn, '***' || right(phone, 2) AS phone, date_trunc('year', birth_date)::date AS birth_date,
        (round(salary / 10000) * 10000)::numeric(10,2) AS salary, region, department,
        CASE WHEN notes IS NOT NULL THEN '***' END AS notes, level, score, code, created_at, marks, tags, extra
    FROM data.people WHERE lower(upper(lower(upper(lower(btrim(region)))))) = 'us';
CREATE VIEW plain.orders AS
    SELECT * FROM data.orders WHERE person_id IN (SELECT p.id FROM data.people p WHERE p.region = 'US');
CREATE VIEW plain.events AS
    SELECT id, person_id, kind, at, amount, weight, marks FROM data.events WHERE kind <> 'internal';
CREATE VIEW plain.regions AS SELECT * FROM data.regions;
CREATE VIEW plain.recent AS SELECT * FROM data.recent WHERE status <> 'secret';
