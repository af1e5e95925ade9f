-- Many metrics, decisions, priors: :experiments experiments each.

SELECT setseed(:seed) \g /dev/null
SET jit = off;

-- ---- ten p-values: seven of no effect, and three of effects (the 20th powers of uniform numbers) ----

CREATE TEMPORARY TABLE family AS
SELECT experiment, method, i <= 7 AS nothing, p_adjust(p, method) OVER (PARTITION BY method, experiment) <= 0.05 AS rejected
FROM (
	SELECT experiment, i, CASE WHEN i <= 7 THEN random() ELSE random() ^ 20 END AS p
	FROM generate_series(1, :experiments) AS experiment, generate_series(1, 10) AS i
	OFFSET 0
) AS p_value, unnest('{bonferroni,holm,hochberg,bh,by}'::text[]) AS method;

INSERT INTO rate
SELECT 'p_adjust, ' || method, '7 of no effect, 3 of one', figure, promised, nominal, count(*), sum(hit)
FROM (
	SELECT method, count(*) FILTER (WHERE rejected) AS found, count(*) FILTER (WHERE rejected AND nothing) AS wrong
	FROM family
	GROUP BY method, experiment
) AS experiment,
	LATERAL (VALUES ('any of no effect rejected', CASE WHEN method IN ('bh', 'by') THEN NULL ELSE '<=' END,
			CASE WHEN method IN ('bh', 'by') THEN NULL ELSE 0.05 END, (wrong > 0)::int::float8),
		-- of independent p-values bh has exactly the share of hypotheses without effect times 0.05
		('false discovery rate', CASE method WHEN 'bh' THEN '=' WHEN 'by' THEN '<=' END,
			CASE method WHEN 'bh' THEN 0.035 WHEN 'by' THEN 0.05 END, wrong / greatest(found, 1)::float8))
		AS f (figure, promised, nominal, hit)
WHERE nominal IS NOT NULL OR figure LIKE 'any%'
GROUP BY method, figure, promised, nominal;

-- ---- decisions ----

-- Metrics of mean 10 and standard deviation 1: 1 without an effect; 2 with one that is always found, 0.5; 3 worse
-- by the margin of the guardrail, 0.1.
INSERT INTO rate
SELECT 'decide', '200 + 200, a primary metric and a guardrail', figure, '<=', nominal, count(*), count(*) FILTER (WHERE hit)
FROM (
	SELECT moments_agg(ARRAY[y, 0.5 * treated::int + y, z - 0.1 * treated::int, z + 0.2 * treated::int],
		CASE WHEN treated THEN 'treatment' ELSE 'control' END) AS m
	FROM (
		SELECT experiment, treated, 10 + normal() AS y, 10 + normal() AS z
		FROM generate_series(1, :experiments) AS experiment, unnest('{false,true}'::boolean[]) AS treated, generate_series(1, 200)
		OFFSET 0
	) AS unit
	GROUP BY experiment
) AS state,
	LATERAL (VALUES ('ship, no effect', 0.025, 1, 4, 'ship'), ('do not ship, no effect', 0.025, 1, 4, 'do not ship'),
		('ship, the guardrail is worse by its margin', 0.025, 2, 3, 'ship')) AS q (figure, nominal, primary_metric, guardrail, answer),
	LATERAL (SELECT decision = answer AS hit
		FROM welch_t(m, metric => primary_metric) AS p, welch_t(m, metric => guardrail) AS g,
			decide(ARRAY[metric_result('p', 'primary', p), metric_result('g', 'guardrail', g, margin => 0.1)])) AS d
GROUP BY figure, nominal;

-- ---- Bayes: lifts that come from the prior ----

INSERT INTO rate
SELECT 'bayes_normal', '500 + 500, prior of the lift 0 ± 0.05', figure, '=', avg(nominal), count(*), count(*) FILTER (WHERE hit)
FROM (
	SELECT lift, moments_agg(4 * (1 + CASE WHEN treated THEN lift ELSE 0 END) + 2 * normal(),
		CASE WHEN treated THEN 'treatment' ELSE 'control' END) AS m
	FROM (SELECT experiment, 0.05 * normal() AS lift FROM generate_series(1, :experiments) AS experiment OFFSET 0) AS truth,
		unnest('{false,true}'::boolean[]) AS treated, generate_series(1, 500)
	GROUP BY experiment, lift
) AS state, bayes_normal(m, prior_mean => 0, prior_sd => 0.05) AS b,
	LATERAL (VALUES ('interval holds the lift', 0.95, lift BETWEEN posterior_low AND posterior_high),
		(format('wins, of those with a chance to win of %s to %s %%', 20 * floor(5 * chance_to_win), 20 * floor(5 * chance_to_win) + 20),
			chance_to_win, lift > 0)) AS f (figure, nominal, hit)
GROUP BY figure;
