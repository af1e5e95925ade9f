-- A treatment that units choose: :experiments studies of 1000 units with two covariates, on which both
-- the choice and the outcome depend.  The models of aipw are linear in them: right, or wrong
-- where the square of the first one matters, too.

SELECT setseed(:seed) \g /dev/null
SET jit = off;

INSERT INTO rate
SELECT call, setting || ' right', figure, promised, nominal, count(*), count(*) FILTER (WHERE hit)
FROM (
	SELECT setting, aipw(y, treated, ARRAY[a, b]) AS none, aipw(y + 0.5 * treated::int, treated, ARRAY[a, b]) AS there,
		welch_t(y, treated::text) AS naive
	FROM (
		SELECT setting, experiment, a, b, y,
			random() < 1 / (1 + exp(0.5 - 0.8 * a + 0.5 * b
				+ CASE setting WHEN 'only the outcome model' THEN 0.5 * a * a ELSE 0 END)) AS treated
		FROM (
			SELECT setting, experiment, a, b, 1 + a + 0.5 * b + normal()
				+ CASE setting WHEN 'only the propensity model' THEN 0.5 * a * a ELSE 0 END AS y
			FROM (
				SELECT setting, experiment, normal() AS a, normal() AS b
				FROM unnest('{both models,only the outcome model,only the propensity model}'::text[]) AS setting,
					generate_series(1, :experiments) AS experiment, generate_series(1, 1000)
				OFFSET 0
			) AS covariates
			OFFSET 0
		) AS outcome
		OFFSET 0
	) AS unit
	GROUP BY setting, experiment
	OFFSET 0
) AS answer,
	LATERAL (VALUES ('aipw', 'p <= 0.05, no effect', '=', 0.05, (none).p_value <= 0.05),
		('aipw', 'interval of diff holds 0.5', '=', 0.95, 0.5 BETWEEN (there).diff_low AND (there).diff_high),
		('aipw', 'p <= 0.05, effect 0.5', NULL, NULL, (there).p_value <= 0.05),
		('welch_t, which does not adjust', 'p <= 0.05, no effect', NULL, NULL, (naive).p_value <= 0.05))
		AS f (call, figure, promised, nominal, hit)
GROUP BY call, setting, figure, promised, nominal;
