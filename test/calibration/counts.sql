-- Tests of counts: :experiments experiments of 2000 units, which come in 20 looks.

SELECT setseed(:seed) \g /dev/null
SET jit = off;

-- Units below the quantiles 0.25, 0.45 and 0.5 of a uniform variable: from these, two equal
-- arms, three arms of 1 : 1 : 2, and two arms of which the treatment gets 45 % in place of 50 %.
CREATE TEMPORARY TABLE look AS
SELECT experiment, look, count(*) AS n, count(*) FILTER (WHERE u < 0.25) AS quarter,
	count(*) FILTER (WHERE u < 0.45) AS fewer, count(*) FILTER (WHERE u < 0.5) AS half
FROM (
	SELECT experiment, look, random() AS u
	FROM generate_series(1, :experiments) AS experiment, generate_series(1, 20) AS look, generate_series(1, 100)
	OFFSET 0
) AS unit
GROUP BY experiment, look;

CREATE TEMPORARY TABLE total AS
SELECT experiment, sum(n)::bigint AS n, sum(quarter)::bigint AS quarter, sum(fewer)::bigint AS fewer,
	sum(half)::bigint AS half
FROM look
GROUP BY experiment;

-- What two arms should give follows from the binomial distribution: the number of ways by sums of
-- logarithms.
CREATE TEMPORARY VIEW outcome_of_2000 AS
SELECT (srm(ARRAY[k, 2000 - k]::bigint[], '{1,1}')).p_value AS p,
	exp(greatest(ways + 2000 * ln(0.5::float8), -700)) AS mass,
	exp(greatest(ways + k * ln(0.45::float8) + (2000 - k) * ln(0.55::float8), -700)) AS mass_of_fewer
FROM (
	SELECT k, coalesce(sum(ln((2001 - k)::float8 / nullif(k, 0))) OVER (ORDER BY k), 0) AS ways
	FROM generate_series(0, 2000) AS k
) AS binomial;

INSERT INTO rate
SELECT 'srm', '1000 + 1000 expected', format('p <= %s, no mismatch', alpha), '=',
	(SELECT sum(mass) FROM outcome_of_2000 WHERE p <= alpha), count(*), count(*) FILTER (WHERE s.p_value <= alpha)
FROM total, srm(ARRAY[half, n - half], '{1,1}'::float8[]) AS s, unnest('{0.05,0.001}'::float8[]) AS alpha
GROUP BY alpha;

INSERT INTO rate
SELECT 'srm', '1000 + 1000 expected', format('p <= %s, 45 %% arrive', alpha), '=',
	(SELECT sum(mass_of_fewer) FROM outcome_of_2000 WHERE p <= alpha), count(*),
	count(*) FILTER (WHERE s.p_value <= alpha)
FROM total, srm(ARRAY[fewer, n - fewer], '{1,1}'::float8[]) AS s, unnest('{0.05,0.001}'::float8[]) AS alpha
GROUP BY alpha;

INSERT INTO rate
SELECT 'srm', '500 + 500 + 1000 expected', 'p <= 0.05, no mismatch', '=', 0.05, count(*),
	count(*) FILTER (WHERE s.p_value <= 0.05)
FROM total, srm(ARRAY[quarter, half - quarter, n - half], '{1,1,2}'::float8[]) AS s;

-- Looked at 20 times: is any p-value small?  Over the counts so far, and over the looks.
INSERT INTO rate
SELECT call, '20 looks, concentration ' || concentration, 'p <= 0.05 at any look, ' || what, promised, nominal,
	count(DISTINCT experiment), count(DISTINCT experiment) FILTER (WHERE p <= 0.05)
FROM (
	SELECT 'srm_sequential' AS call, what, promised, nominal, experiment, concentration,
		(srm_sequential(ARRAY[arrived, so_far - arrived], '{1,1}'::float8[], concentration)).p_value AS p
	FROM (
		SELECT what, promised, nominal, experiment, 100 * look AS so_far,
			(sum(arrived) OVER (PARTITION BY what, experiment ORDER BY look))::bigint AS arrived
		FROM look,
			LATERAL (VALUES ('no mismatch', '<=', 0.05, half), ('45 % arrive', NULL, NULL, fewer))
				AS case_of (what, promised, nominal, arrived)
	) AS running, unnest('{100,10000}'::float8[]) AS concentration
	UNION ALL
	SELECT 'srm_sequential_agg', 'no mismatch', '<=', 0.05, experiment, 100,
		(srm_sequential_agg(ARRAY[half, n - half], '{1,1}'::float8[], 100)
			OVER (PARTITION BY experiment ORDER BY look)).p_value
	FROM look
) AS answer
GROUP BY call, what, promised, nominal, concentration;

-- The same units' assignment by hash, under as many salts.
INSERT INTO rate
SELECT 'assign_variant', '2000 units, a salt each', 'p <= 0.05 of srm, no mismatch', '=',
	(SELECT sum(mass) FROM outcome_of_2000 WHERE p <= 0.05), count(*), count(*) FILTER (WHERE (s).p_value <= 0.05)
FROM (
	SELECT srm(assign_variant(unit::text, format('%s %s', :seed, salt), '{control,treatment}'),
		'{"control": 1, "treatment": 1}') AS s
	FROM generate_series(1, :experiments) AS salt, generate_series(1, 2000) AS unit
	GROUP BY salt
) AS experiment;

-- ---- categories ----

INSERT INTO rate
SELECT 'chi_square', format('%s + %s units, shares 60, 30, 10 %%', units, units), 'p <= 0.05, no difference', '=', 0.05,
	count(*), count(*) FILTER (WHERE c.p_value <= 0.05)
FROM (
	SELECT experiment, units,
		ARRAY[ARRAY[count(*) FILTER (WHERE NOT treated AND u < 0.6),
				count(*) FILTER (WHERE NOT treated AND u >= 0.6 AND u < 0.9), count(*) FILTER (WHERE NOT treated AND u >= 0.9)],
			ARRAY[count(*) FILTER (WHERE treated AND u < 0.6),
				count(*) FILTER (WHERE treated AND u >= 0.6 AND u < 0.9), count(*) FILTER (WHERE treated AND u >= 0.9)]] AS counts
	FROM (
		SELECT experiment, units, treated, random() AS u
		FROM generate_series(1, :experiments) AS experiment, unnest('{50,500}'::integer[]) AS units,
			unnest('{false,true}'::boolean[]) AS treated, LATERAL generate_series(1, units)
		OFFSET 0
	) AS unit
	GROUP BY experiment, units
) AS experiment, chi_square(counts) AS c
GROUP BY units;
