-- Doubly robust effect of a treatment that was not randomised.
SET extra_float_digits = -3;
\pset null (null)
CREATE TEMP TABLE units AS
	SELECT i, i % 5 AS age, i % 7 AS visits, (i * 7919 % 1000) < 250 + 100 * (i % 5) AS treated,
		10 + 2 * (i % 5) + (i * 31 % 11) + CASE WHEN (i * 7919 % 1000) < 250 + 100 * (i % 5) THEN 3 ELSE 0 END AS y
	FROM generate_series(1, 2000) i;
SELECT (aipw(y, treated, ARRAY[age, visits])).* FROM units \gx
-- A constant, or a combination of others, changes nothing.
SELECT a.diff, a.std_error, a.covariates, a.note FROM (SELECT (aipw(y, treated, ARRAY[age, visits, 1, age + visits])).* FROM units) a;
-- Rows in another order, spilling.
SET work_mem = '64kB';
SELECT a.diff, a.std_error, a.covariates, a.note FROM (SELECT (aipw(y, treated, ARRAY[age, visits])).* FROM (SELECT * FROM units ORDER BY i DESC) u) a;
-- Many groups: one after the other, not side by side in a hash table.
EXPLAIN (COSTS OFF) SELECT aipw(y, treated, ARRAY[age]) FROM units GROUP BY visits;
SELECT count(*), sum((a).n + (a).n_control) AS n FROM (SELECT aipw(y, treated, ARRAY[age]) AS a FROM units GROUP BY i % 97) g;
-- Side by side, and spilling.
SET enable_sort = off;
SELECT visits, (a).n, (a).diff FROM (SELECT visits, aipw(y, treated, ARRAY[age]) AS a FROM units GROUP BY visits) g ORDER BY visits;
RESET enable_sort;
RESET work_mem;
-- By group, one of them too thin.
SELECT segment, (aipw(y, treated, ARRAY[age])).n, (aipw(y, treated, ARRAY[age])).diff, (aipw(y, treated, ARRAY[age])).note
FROM (SELECT CASE WHEN i < 6 THEN 'thin' ELSE 'rest' END AS segment, * FROM units) u GROUP BY segment ORDER BY segment;
-- Rows without an outcome or a treatment are not counted.
SELECT (aipw(nullif(y, 12), nullif(treated, y = 13), ARRAY[age])).n + (aipw(nullif(y, 12), nullif(treated, y = 13), ARRAY[age])).n_control AS n,
	count(*) FILTER (WHERE nullif(y, 12) IS NOT NULL AND nullif(treated, y = 13) IS NOT NULL) AS counted FROM units;

-- No effect, and why.
SELECT (aipw(y, true, ARRAY[age])).* FROM units \gx
SELECT (aipw(y, false, ARRAY[age])).note FROM units;
SELECT (aipw(y, treated, ARRAY[age])).* FROM units WHERE false \gx
SELECT (aipw(y, age > 2, ARRAY[age])).note FROM units;
SELECT (aipw(y, treated OR age = 2, ARRAY[(age = 2)::int])).note FROM units;
SELECT (aipw(y, age > 2 OR (age = 2 AND treated), ARRAY[age])).note FROM units;
-- Separated along age - visits, with both kinds where these are equal.
SELECT (aipw(y, CASE WHEN age = visits THEN treated ELSE age > visits END, ARRAY[age, visits])).note FROM units;
SELECT (aipw(y, treated, ARRAY[CASE WHEN treated THEN 1 ELSE age END])).note FROM units;
SELECT (aipw(y, i < 3, ARRAY[age, visits])).note FROM units;
SELECT (aipw(y, i > 1997, ARRAY[age, visits])).note FROM units;
SELECT (aipw(y, i <= 1997, ARRAY[age, visits])).note FROM units;

SELECT aipw(y, treated, NULL) FROM units;
SELECT aipw(y, treated, ARRAY[age, nullif(visits, 3)]) FROM units;
SELECT aipw(y, treated, ARRAY[age, 'NaN'::float8]) FROM units;
SELECT aipw('Infinity', treated, ARRAY[age]) FROM units;
SELECT aipw(y, treated, CASE WHEN i < 10 THEN ARRAY[age] ELSE ARRAY[age, visits] END) FROM units;
SELECT aipw(y, treated, '{}') FROM units;
SELECT aipw(y, treated, array_fill(1::float8, '{64}')) FROM units;
SELECT aipw(y, treated, ARRAY[age]) OVER (ORDER BY i) FROM units;
