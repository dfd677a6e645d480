SELECT CAST(t.region AS text) AS region_1, CAST(t.department AS text) AS department_1, COUNT(DISTINCT t.id) AS ctd_id_ok,
  SUM(t.salary) AS sum_salary_ok, AVG(CAST(t.salary AS double precision)) AS avg_salary_ok, MIN(t.birth_date) AS min_birth_date_ok,
  MAX(t.created_at) AS max_created_at_ok, SUM(CASE WHEN t.salary > 50000 THEN 1 ELSE 0 END) AS sum_calculation_1_ok,
  SUM(CASE WHEN (t.country = 'DE' OR t.country = 'FR' OR t.country = 'NL') THEN t.salary ELSE 0 END) AS sum_calculation_2_ok,
  COUNT(e.n) AS cnt_events_ok, SUM(e.total) AS sum_total_ok, date_trunc('month', t.created_at) AS tmn_created_at_ok,
  extract(year FROM t.birth_date) AS yr_birth_date_ok
FROM (SELECT people.id AS id, people.region AS region, people.department AS department, people.salary AS salary,
    people.birth_date AS birth_date, people.created_at AS created_at, people.country AS country, people.name AS name,
    people.email AS email FROM public.people people
  INNER JOIN public.regions regions ON (people.region = regions.code)
  WHERE ((people.department IN ('SALES', 'SUPPORT', 'FINANCE', 'ENGINEERING', 'HR')) AND (regions.name IS NOT NULL)
    AND (people.birth_date >= DATE '1950-01-01') AND (people.birth_date < DATE '2010-01-01'))) t
LEFT JOIN (SELECT events.person_id AS person_id, COUNT(*) AS n, SUM(events.amount) AS total FROM public.events events
  WHERE events.kind IN ('login', 'purchase', 'refund') GROUP BY events.person_id) e ON (t.id = e.person_id)
INNER JOIN (SELECT people.department AS department, COUNT(*) AS size FROM public.people people GROUP BY people.department
  HAVING COUNT(*) > 3) sizes ON (t.department = sizes.department)
WHERE (t.name LIKE '%a%' OR t.email LIKE '%example%') AND (t.salary BETWEEN 10000 AND 900000) AND (NOT (t.country IS NULL))
GROUP BY CAST(t.region AS text), CAST(t.department AS text), date_trunc('month', t.created_at), extract(year FROM t.birth_date)
HAVING COUNT(DISTINCT t.id) > 0 ORDER BY sum_salary_ok DESC, department_1 ASC LIMIT 1000
