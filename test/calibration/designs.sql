-- Group sequential designs with four looks: :experiments experiments of normal metrics, with no effect and with the
-- effect of 0.2 that the design is planned to find with a power of 0.8.

SELECT setseed(:seed) \g /dev/null
SET jit = off;

CREATE TEMPORARY TABLE design AS
SELECT spending, ceil(n_control_exact / 4)::int AS per_look
FROM unnest('{obrien-fleming,pocock}'::text[]) AS spending,
	sample_size_mean(0.2, 1, inflation => group_sequential_inflation('{0.25,0.5,0.75,1}', spending => spending));

CREATE TEMPORARY TABLE answer AS
SELECT spending, experiment, effect, g.*
FROM (
	SELECT spending, experiment, effect, planned_n, array_agg(c ORDER BY look) AS looks
	FROM (
		SELECT spending, experiment, look, 8 * per_look AS planned_n,
			moments_agg(m) OVER (PARTITION BY spending, experiment ORDER BY look) AS m
		FROM (
			SELECT spending, experiment, look, per_look, moments_agg(ARRAY[y, y + 0.2 * treated::int],
				CASE WHEN treated THEN 'treatment' ELSE 'control' END) AS m
			FROM (
				SELECT spending, per_look, experiment, look, treated, normal() AS y
				FROM design, generate_series(1, :experiments) AS experiment, generate_series(1, 4) AS look,
					unnest('{false,true}'::boolean[]) AS treated, LATERAL generate_series(1, per_look)
				OFFSET 0
			) AS unit
			GROUP BY spending, experiment, look, per_look
		) AS part
	) AS state, (VALUES (1, 0.0::float8), (2, 0.2)) AS of (metric, effect), welch_t(m, metric => of.metric) AS c
	GROUP BY spending, experiment, effect, planned_n
) AS experiment, group_sequential_looks(looks, planned_n, spending => spending) AS g;

INSERT INTO rate
SELECT call, spending || ', 4 looks', figure || CASE effect WHEN 0 THEN ', no effect' ELSE ', effect 0.2' END, promised, nominal,
	count(*), count(*) FILTER (WHERE hit)
FROM (
	SELECT spending, effect, bool_or(decision = 'stop') AS found,
		bool_or(effect BETWEEN estimate_low AND estimate_high) AS held,
		bool_or(estimate < effect) AS low,
		bool_and(effect BETWEEN diff_low AND diff_high) AS always_held,
		bool_or(p_value <= 0.05) AS significant
	FROM answer
	GROUP BY spending, experiment, effect
) AS experiment,
	LATERAL (VALUES ('group_sequential_bounds, group_sequential_looks', 'stop', '=', CASE effect WHEN 0 THEN 0.05 END, found AND effect = 0),
		('group_sequential_inflation', 'stop', '=', CASE effect WHEN 0 THEN NULL ELSE 0.8 END, found),
		('group_sequential_looks, estimate', 'interval at the end holds the effect', '=', 0.95, held),
		('group_sequential_looks, estimate', 'estimate is below the effect', '=', 0.5, low),
		('group_sequential_looks, p_value', 'p <= 0.05 at the end', '=', CASE effect WHEN 0 THEN 0.05 END, significant),
		('group_sequential_looks, diff_low', 'intervals of all looks hold the effect', '>=', 0.95, always_held))
		AS f (call, figure, promised, nominal, hit)
WHERE nominal IS NOT NULL
GROUP BY call, spending, effect, figure, promised, nominal;
