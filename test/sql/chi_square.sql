-- Chi-square test of independence of variant and category.
SET extra_float_digits = -3;
\pset null (null)
-- Agresti (2007), "An Introduction to Categorical Data Analysis", table 2.5,
-- party by gender: X^2 = 30.1 with 2 degrees of freedom.
SELECT chi2, df, p_value, n, cramers_v, min_expected, expected FROM chi_square('{{762,327,468},{484,239,477}}');
CREATE TEMP TABLE survey AS
	SELECT v.variant, a.answer FROM (VALUES ('control', 1), ('treatment', 2), ('B', 3)) v (variant, i),
		(VALUES ('yes', 5), ('no', 7), ('other', 1)) a (answer, j), generate_series(1, i * 10 + j * 3 + i * j % 4);
INSERT INTO survey VALUES (NULL, 'yes'), ('control', NULL);
-- Arrays are in the order of the labels; rows with a NULL are not counted.
SELECT (chi_square(variant, answer)).* FROM survey \gx
SELECT answer, (chi_square(variant, answer)).n FROM survey GROUP BY answer ORDER BY answer;
-- The same from the matrix.
SELECT (chi_square(variant, answer)).chi2 = (chi_square((chi_square(variant, answer)).observed)).chi2 AS same FROM survey;
-- Labels that run together, or hold anything.
SELECT (chi_square(v, c)).variants, (chi_square(v, c)).categories, (chi_square(v, c)).observed
FROM (VALUES ('a', 'bc'), ('ab', 'c'), ('1:a', ''), ('', '1:a'), ('é"', E'x\n'), (repeat('v', 11), ':')) t (v, c);
-- What is empty does not count: the same test as without it.
SELECT chi2, df, p_value, cramers_v, min_expected FROM chi_square('{{10,20,0},{0,0,0},{30,25,0}}');
SELECT chi2, df, p_value, cramers_v, min_expected FROM chi_square('{{10,20},{30,25}}');
-- Undefined: one variant, one category, nothing.
SELECT (chi_square(variant, answer)).* FROM survey WHERE variant = 'B' \gx
SELECT chi2, df, p_value, n, cramers_v, min_expected FROM chi_square('{{10},{20}}');
SELECT * FROM chi_square('{{0,0},{0,0}}');
SELECT (chi_square(variant, answer)).* FROM survey WHERE false \gx
SELECT chi_square(NULL::bigint[]);
-- A tail that a complement would have lost.
SELECT p_value FROM chi_square('{{1000,100},{150,1000}}');

SELECT chi_square('{1,2}'::bigint[]);
SELECT chi_square('{}'::bigint[]);
SELECT chi_square('{{1,2},{3,NULL}}'::bigint[]);
SELECT chi_square('{{1,2},{-3,4}}'::bigint[]);
SELECT chi_square('{{9223372036854775807,2},{3,4}}'::bigint[]);
SELECT chi_square(repeat('x', 200), repeat('y', 52));
SELECT chi_square('v', i::text) FROM generate_series(1, 1001) i;
-- The same where no part of the table has so many.
CREATE TABLE partitioned (variant text, category text) PARTITION BY LIST (variant);
CREATE TABLE partition_a PARTITION OF partitioned FOR VALUES IN ('a');
CREATE TABLE partition_b PARTITION OF partitioned FOR VALUES IN ('b');
INSERT INTO partitioned SELECT v, i::text FROM generate_series(1, 501) i, (VALUES ('a'), ('b')) t (v);
SET enable_partitionwise_aggregate = on;
EXPLAIN (COSTS OFF) SELECT chi_square(variant, category) FROM partitioned;
SELECT chi_square(variant, category) FROM partitioned;
SELECT r.df, r.n FROM (SELECT chi_square(variant, category) AS r FROM partitioned WHERE category <> '501') q, LATERAL (SELECT (q.r).*) r;
RESET enable_partitionwise_aggregate;
DROP TABLE partitioned;
SELECT chi_square_final(moments_agg(1, 'a'));
-- A label cut within a character is none.
SELECT chi_square_final('{"version": 1, "metrics": 0, "variants": {"1:é": {"n": 5, "mean": [], "comoments": []}}}');
