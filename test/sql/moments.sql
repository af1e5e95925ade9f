-- The type moments and what is done with a state.
CREATE TEMP TABLE units (unit int, variant text, y float8, x float8);
INSERT INTO units VALUES
	(1, 'control', 1, 10), (2, 'control', 2, 20), (3, 'control', 3, 60),
	(4, 'treatment', 2, 10), (5, 'treatment', 4, 30),
	(6, 'third', 7, 70);

SELECT moments_agg(y, variant) FROM units;
SELECT moments_agg(y, x, variant) FROM units;
SELECT moments_agg(ARRAY[y, x], variant) = moments_agg(y, x, variant) AS same FROM units;
SELECT s.* FROM (SELECT moments_agg(y, x, variant) AS m FROM units) u, moments_summary(u.m) s;
-- variances 1 and 700, covariance 25
SELECT moments_covariance(m, 'control'), moments_covariance(m, 'third') AS one_unit,
	moments_covariance(m, 'nobody') AS absent
FROM (SELECT moments_agg(y, x, variant) AS m FROM units) u;
SELECT jsonb_pretty(moments_agg(y, variant)::jsonb -> 'variants' -> 'control') FROM units;
-- And back, to the last bit.
SELECT bool_and(m::jsonb::moments = m) AS same FROM (SELECT moments_agg(y * 10.0 ^ e / 3, variant) AS m FROM units, generate_series(-90, 90, 30) e GROUP BY e) s;
SELECT '{"version": 1}'::jsonb::moments;

-- Nothing to aggregate: NULL.  NULL metric, element or variant: the row is skipped.
SELECT moments_agg(y, variant) IS NULL AS nothing FROM units WHERE false;
SELECT moments_agg(y, v) FROM (VALUES (1, 'a'), (NULL, 'a'), (5, NULL), (3, 'a')) t (y, v);
SELECT s.* FROM (SELECT moments_agg(ys, 'a') AS m
	FROM (VALUES ('{1,2}'::float8[]), ('{1,NULL}'), (NULL), ('{3,4}')) t (ys)) u, moments_summary(m) s;

-- Merging is the same as aggregating all rows.
CREATE TEMP TABLE parts AS
	SELECT unit % 2 AS part, moments_agg(y, variant) AS m FROM units GROUP BY 1;
SELECT moments_agg(m) = (SELECT moments_agg(y, variant) FROM units) AS merged FROM parts;
SELECT moments_agg(m) = (SELECT m FROM parts WHERE part = 0) AS alone FROM parts WHERE part = 0;
SELECT moments_agg(m) FILTER (WHERE part = 7) IS NULL AS nothing FROM parts;

-- Compound metrics.  Sam bought 10, 20, 50 and refunded 10 and 20; Mike bought
-- 20, 30 and refunded 20.  The sum of squared net values is 50^2 + 30^2 = 3400.
WITH goals (who, purchases, refunds) AS (VALUES ('Sam', 80, 30), ('Mike', 50, 20)),
	state AS (SELECT moments_project(moments_agg(purchases, refunds, 'all'), '{1,-1}') AS m FROM goals)
SELECT n, mean, variance * (n - 1) + n * mean ^ 2 AS sum_of_squares
FROM state, moments_summary(m);

SELECT moments_select(m, '{2}') = (SELECT moments_agg(x, variant) FROM units) AS second,
	moments_select(m, '{2,1}') = (SELECT moments_agg(x, y, variant) FROM units) AS swapped,
	moments_filter(m, '{third,nobody}') AS third,
	moments_filter(m, '{}') AS none
FROM (SELECT moments_agg(y, x, variant) AS m FROM units) u;

-- In a window, each row has the state of the rows so far; none changes later.
CREATE TEMP TABLE running AS
	SELECT unit, moments_agg(y, variant) OVER (ORDER BY unit) AS m FROM units;
SELECT unit, (m::jsonb #>> '{variants,control,n}') AS control, (m::jsonb #>> '{variants,treatment,n}') AS treatment
FROM running ORDER BY unit;

-- Equality, hashing.
SELECT count(DISTINCT m::text), count(*) FROM (SELECT m FROM running UNION SELECT m FROM running) r;
SELECT moments_agg(y, variant) <> moments_agg(x, variant) AS differ FROM units;

-- Labels that differ in the middle only, in length only, or are very short; few and many.
-- Each label has as many units as its position, each of them with that value.
SELECT arms, count(*) AS labels, bool_and(n = mean AND variant = labels[n]) AS right
FROM (SELECT arms, labels, moments_agg(place, labels[place]) AS m
	FROM (VALUES (3, ARRAY['variant_b_new', 'variant_a_new', 'variant_new']), (5, ARRAY['aaa', 'b', 'a', 'aa', '']),
			(12, ARRAY['f', 'a', 'aaaabaaaa', 'aaaa', 'aaaaa', 'aaaaaaaa', 'aaaaaaaaa', 'aaaacaaaa', 'b', 'c', 'd', 'e'])) t (arms, labels),
		generate_series(1, arms) place, generate_series(1, place)
	GROUP BY arms, labels) a, moments_summary(m)
GROUP BY arms ORDER BY arms;

-- Text: any label, any number, whatever extra_float_digits says.
SET extra_float_digits = -15;
CREATE TEMP TABLE odd AS
	SELECT moments_agg(y, v) AS m
	FROM unnest(ARRAY[1e300, -1e-300, 0.1, 1.0/3, 123456789.123456789],
		ARRAY['', 'say "hi", \ and , then' || E'\n\t', '日本 🚀', '{}', repeat('x', 255)]) AS t (y, v);
SELECT m::text::moments = m AS same FROM odd;
SELECT (m::text::moments)::text = m::text AS same_text FROM odd;
SELECT m FROM odd;
RESET extra_float_digits;

-- Malformed text.
CREATE FUNCTION rejected(input text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE message text; hint text;
BEGIN
	PERFORM input::moments;
	RETURN 'accepted';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS message = MESSAGE_TEXT;
	RETURN SQLSTATE || ' ' || message;
END $$;
SELECT rejected(i) FROM unnest(ARRAY[
	'', 'x', '{', '[]', '1', '{}',
	'{"version": 1}',
	'{"version": 3, "metrics": 1, "variants": {}}',
	'{"version": 1.5, "metrics": 1, "variants": {}}',
	'{"version": 1, "metrics": -1, "variants": {}}',
	'{"version": 1, "metrics": 65, "variants": {}}',
	'{"version": 1, "metrics": 1e30, "variants": {}}',
	'{"version": 1, "metrics": 1, "variants": []}',
	'{"version": 1, "metrics": 1, "variants": {}, "extra": 1}',
	'{"version": 1, "metrics": 1, "variants": {"a": 1}}',
	'{"version": 1, "metrics": 1, "variants": {"a": {"n": 0, "mean": [1], "comoments": [0]}}}',
	'{"version": 1, "metrics": 1, "variants": {"a": {"n": 1.5, "mean": [1], "comoments": [0]}}}',
	'{"version": 1, "metrics": 1, "variants": {"a": {"n": 1, "mean": [1], "comoments": [2]}}}',
	'{"version": 1, "metrics": 1, "variants": {"a": {"n": 2, "mean": [1], "comoments": [-2]}}}',
	'{"version": 1, "metrics": 1, "variants": {"a": {"n": 2, "mean": [1e999], "comoments": [2]}}}',
	'{"version": 1, "metrics": 1, "variants": {"a": {"n": 2, "mean": ["NaN"], "comoments": [2]}}}',
	'{"version": 1, "metrics": 1, "variants": {"a": {"n": 2, "mean": [1e308], "residual": [1e308], "comoments": [2]}}}',
	'{"version": 1, "metrics": 1, "variants": {"a": {"n": 2, "mean": [1, 2], "comoments": [2]}}}',
	'{"version": 1, "metrics": 1, "variants": {"a": {"n": 2, "mean": [1]}}}',
	'{"version": 1, "metrics": 1, "variants": {"' || repeat('a', 256) || '": {"n": 2, "mean": [1], "comoments": [2]}}}',
	'{"version": 1, "metrics": 1, "control": 5, "variants": {}}',
	'{"version": 1, "metrics": 1, "variants": {}}',
	'{"version": 1, "metrics": 0, "variants": {"a": {"n": 2, "mean": [], "comoments": []}}}'
]) AS i;

-- Errors of the aggregates and functions.
SELECT moments_agg(y, 'a') FROM (VALUES (1.0), ('NaN'::float8)) t (y);
SELECT moments_agg(1, 'Infinity'::float8, 'a');
SELECT moments_agg(ARRAY[1, 2, '-Infinity'::float8], 'a');
SELECT moments_agg(ys, 'a') FROM (VALUES ('{1,2}'::float8[]), ('{1,2,3}')) t (ys);
SELECT moments_agg('{}'::float8[], 'a');
SELECT moments_agg('{{1,2}}'::float8[], 'a');
SELECT moments_agg(array_fill(0::float8, ARRAY[65]), 'a');
SELECT moments_agg(y, 'a') FROM (VALUES (1e300), (-1e300)) t (y);
SELECT moments_agg(1, repeat('payload ', 1250));
SELECT moments_agg(1, i::text) IS NULL FROM generate_series(1, 1000) i;
SELECT moments_agg(1, i::text) FROM generate_series(1, 1001) i;
SELECT moments_agg(m) FROM (SELECT moments_agg(y, variant) FROM units
	UNION ALL SELECT moments_agg(y, x, variant) FROM units) s (m);
SELECT moments_project(moments_agg(y, variant), '{1,1}') FROM units;
SELECT moments_project(moments_agg(y, variant), '{NaN}') FROM units;
SELECT moments_select(moments_agg(y, variant), '{2}') FROM units;
SELECT moments_select(moments_agg(y, variant), '{}') FROM units;
SELECT moments_select(moments_agg(y, variant), '{NULL}') FROM units;
SELECT moments_filter(moments_agg(y, variant), '{NULL}') FROM units;
