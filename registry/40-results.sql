-- Results, from the stored moments: whatever asks for them asks here.

-- The test that an experiment's method and a metric's kind call for.  The state has the value (of a
-- ratio: numerator and denominator), then the covariates, if there are any.
CREATE FUNCTION compare_variants(
	m moments, kind text, adjusted boolean, method text, control text, alpha float8
) RETURNS SETOF comparison
LANGUAGE sql STABLE PARALLEL SAFE ROWS 2
BEGIN ATOMIC
	SELECT c.* FROM welch_t(m, control, alpha) AS c
	WHERE compare_variants.method = 'fixed' AND NOT adjusted AND kind IN ('mean', 'compound')
	UNION ALL
	SELECT c.* FROM proportion_z(m, control, alpha) AS c
	WHERE compare_variants.method = 'fixed' AND NOT adjusted AND kind = 'proportion'
	UNION ALL
	SELECT c.* FROM delta_ratio(m, control, alpha) AS c
	WHERE compare_variants.method = 'fixed' AND NOT adjusted AND kind = 'ratio'
	UNION ALL
	SELECT c.* FROM cuped_adjust(m, control, alpha) AS c
	WHERE compare_variants.method = 'fixed' AND adjusted AND kind <> 'ratio'
	UNION ALL
	SELECT c.* FROM cuped_ratio(m, control, alpha) AS c
	WHERE compare_variants.method = 'fixed' AND adjusted AND kind = 'ratio'
	UNION ALL
	SELECT c.*
	FROM confidence_sequence(m, control, alpha, estimator =>
			CASE WHEN kind = 'ratio' AND adjusted THEN 'cuped_ratio' WHEN kind = 'ratio' THEN 'ratio'
				 WHEN adjusted THEN 'cuped' ELSE 'mean' END) AS c
	WHERE compare_variants.method = 'sequential';
END;
COMMENT ON FUNCTION compare_variants(moments, text, boolean, text, text, float8) IS
'each treatment against the control, by the test for the kind of metric (mean, proportion, ratio, compound), with covariates or not, read once (fixed) or at any time (sequential)';

-- Each metric of each experiment against its control: the view that the public ones are made of.
CREATE VIEW comparisons WITH (security_invoker) AS
WITH asked AS (
	SELECT e.experiment, e.method, e.alpha, em.metric, em.role, em.place, k.kind, k.better,
		   -- a guardrail whose metric lost its margin
		   CASE em.role WHEN 'guardrail' THEN coalesce(k.margin, 0) END AS margin, k.relative,
		   v.variant AS control
	FROM experiments AS e
	JOIN experiment_metrics AS em ON em.experiment = e.experiment
	JOIN metrics AS k ON k.metric = em.metric
	JOIN variants AS v ON v.experiment = e.experiment AND v.is_control
), merged AS (
	-- in order, so that the last digits are the same every time
	SELECT s.experiment, s.metric, s.segment, s.value, moments_agg(s.m ORDER BY s.cohort) AS m, min(s.kind) AS kind, bool_or(s.adjusted) AS adjusted
	FROM states AS s
	GROUP BY s.experiment, s.metric, s.segment, s.value
)
SELECT a.experiment, a.metric, a.role, a.place, s.kind, a.better, a.margin, a.relative, s.segment, s.value, c AS result
FROM asked AS a
JOIN merged AS s ON s.experiment = a.experiment AND s.metric = a.metric
CROSS JOIN LATERAL compare_variants(s.m, s.kind, s.adjusted, a.method, a.control, a.alpha) AS c
UNION ALL
SELECT a.experiment, a.metric, a.role, a.place, a.kind, a.better, a.margin, a.relative, q.segment, q.value, q.result
FROM asked AS a
JOIN quantiles AS q ON q.experiment = a.experiment AND q.metric = a.metric;
COMMENT ON VIEW comparisons IS 'each metric of each experiment, in all and by segment, against its control';

CREATE FUNCTION better_sign(better text) RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT CASE better WHEN 'lower' THEN -1 ELSE 1 END;
END;
COMMENT ON FUNCTION better_sign(text) IS '-1 if lower is better, else 1';

-- In words, as decide() has it.
CREATE FUNCTION outcome(
	result comparison, role text, better text, margin float8, relative boolean, p_adjusted float8, alpha float8
) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT CASE
		WHEN role <> 'guardrail' THEN
			CASE WHEN p_adjusted < outcome.alpha THEN
					CASE better_sign(better) * sign((result).diff) WHEN 1 THEN 'better' WHEN -1 THEN 'worse' ELSE 'open' END
				 ELSE 'open' END
		WHEN least(better_sign(better) * i.low, better_sign(better) * i.high) > -margin THEN 'holds'
		WHEN greatest(better_sign(better) * i.low, better_sign(better) * i.high) < -margin THEN 'broken'
		ELSE 'open' END
	FROM (SELECT CASE WHEN relative THEN (result).lift_low ELSE (result).diff_low END AS low,
				 CASE WHEN relative THEN (result).lift_high ELSE (result).diff_high END AS high) AS i;
END;
COMMENT ON FUNCTION outcome(comparison, text, text, float8, boolean, float8, float8) IS
'better, worse or open; of a guardrail: holds, broken or open';

CREATE VIEW experiment_results WITH (security_invoker) AS
SELECT r.experiment, r.metric, r.role, r.kind,
	   (r.result).variant, (r.result).control, (r.result).n, (r.result).n_control,
	   (r.result).estimate, (r.result).estimate_control, (r.result).diff, (r.result).std_error,
	   (r.result).statistic, (r.result).df, (r.result).p_value, r.p_adjusted,
	   (r.result).diff_low, (r.result).diff_high, (r.result).lift, (r.result).lift_low, (r.result).lift_high,
	   (r.result).alpha, (r.result).method, r.better, r.margin, r.relative,
	   outcome(r.result, r.role, r.better, r.margin, r.relative, r.p_adjusted, r.alpha) AS outcome,
	   r.place, r.as_of, r.analyzed_at
FROM (SELECT c.*, e.alpha, a.as_of, a.analyzed_at,
			 CASE WHEN e.correction = 'none' THEN CASE WHEN c.role <> 'guardrail' THEN (c.result).p_value END
				  ELSE p_adjust(CASE WHEN c.role <> 'guardrail' THEN (c.result).p_value END,
								CASE e.correction WHEN 'none' THEN 'bonferroni' ELSE e.correction END)
					   OVER (PARTITION BY c.experiment) END AS p_adjusted
	  FROM comparisons AS c
	  JOIN experiments AS e ON e.experiment = c.experiment
	  JOIN analyses AS a ON a.experiment = c.experiment
	  WHERE c.segment IS NULL) AS r;
COMMENT ON VIEW experiment_results IS 'each metric of each experiment against each treatment: a row each';

CREATE VIEW experiment_results_by_segment WITH (security_invoker) AS
SELECT r.experiment, r.metric, r.role, r.kind, r.segment, r.value,
	   (r.result).variant, (r.result).control, (r.result).n, (r.result).n_control,
	   (r.result).estimate, (r.result).estimate_control, (r.result).diff, (r.result).std_error,
	   (r.result).statistic, (r.result).df, (r.result).p_value, r.p_adjusted,
	   (r.result).diff_low, (r.result).diff_high, (r.result).lift, (r.result).lift_low, (r.result).lift_high,
	   (r.result).alpha, (r.result).method, r.better, r.place, r.as_of, r.analyzed_at
FROM (SELECT c.*, a.as_of, a.analyzed_at,
			 p_adjust((c.result).p_value, 'holm')
			 OVER (PARTITION BY c.experiment, c.metric, c.segment) AS p_adjusted
	  FROM comparisons AS c
	  JOIN analyses AS a ON a.experiment = c.experiment
	  WHERE c.segment IS NOT NULL) AS r;
COMMENT ON VIEW experiment_results_by_segment IS
'each metric of each experiment against each treatment, in each segment: a row each; p_adjusted is by Holm within metric and segment';

-- Beside the method that the experiment has, the interval that may be read on every day.
CREATE VIEW experiment_timeseries WITH (security_invoker) AS
WITH days AS (
	SELECT t.experiment, t.metric, t.day, 'cumulative' AS kind, t.m, t.kind AS metric_kind, t.adjusted, t.complete FROM timeline AS t
	UNION ALL
	SELECT s.experiment, s.metric, s.cohort, 'cohort', s.m, s.kind, s.adjusted, s.complete FROM states AS s WHERE s.segment IS NULL
)
SELECT d.experiment, d.metric, em.role, d.day, d.kind, d.complete,
	   c.variant, c.control, c.n, c.n_control, c.estimate, c.estimate_control, c.diff, c.std_error,
	   c.p_value, c.diff_low, c.diff_high, c.lift, c.lift_low, c.lift_high, c.alpha, c.method,
	   q.p_value AS p_sequential, q.diff_low AS sequential_diff_low, q.diff_high AS sequential_diff_high,
	   q.lift_low AS sequential_lift_low, q.lift_high AS sequential_lift_high
FROM days AS d
JOIN experiments AS e ON e.experiment = d.experiment
JOIN experiment_metrics AS em ON em.experiment = d.experiment AND em.metric = d.metric
JOIN variants AS v ON v.experiment = e.experiment AND v.is_control
CROSS JOIN LATERAL compare_variants(d.m, d.metric_kind, d.adjusted, e.method, v.variant, e.alpha) AS c
LEFT JOIN LATERAL compare_variants(d.m, d.metric_kind, d.adjusted, 'sequential', v.variant, e.alpha) AS q
	ON q.variant = c.variant AND d.kind = 'cumulative';
COMMENT ON VIEW experiment_timeseries IS
'each metric by day: cumulative (all units exposed and all that happened up to the end of the day) and cohort (the units first exposed on the day, up to now)';

CREATE VIEW experiment_health WITH (security_invoker) AS
SELECT h.experiment, h.check_name, h.status, h.value, h.threshold, h.detail, h.place, a.as_of, a.analyzed_at
FROM health AS h JOIN analyses AS a ON a.experiment = h.experiment;
COMMENT ON VIEW experiment_health IS 'the checks of each experiment''s exposures: a row each, with status ok, warn or fail';

-- What decide() says of an experiment, from its results.
CREATE FUNCTION recommend(experiment text) RETURNS SETOF decision
LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT d.*
	FROM experiments AS e
	CROSS JOIN LATERAL (
		SELECT array_agg(metric_result(c.metric, c.role, c.result, c.better, c.margin, c.relative) ORDER BY c.place) AS results
		FROM comparisons AS c
		WHERE c.experiment = e.experiment AND c.segment IS NULL
		HAVING bool_or(c.role = 'primary')) AS r
	LEFT JOIN health AS h ON h.experiment = e.experiment
		 AND h.check_name = CASE e.method WHEN 'sequential' THEN 'srm_sequential' ELSE 'srm' END
	CROSS JOIN LATERAL decide(r.results, e.alpha, e.correction, srm_p_value => h.value, planned_n => e.planned_n) AS d
	WHERE e.experiment = recommend.experiment;
END;
COMMENT ON FUNCTION recommend(text) IS 'ship, do not ship or keep running each treatment of an experiment, and why';

CREATE VIEW experiment_summary WITH (security_invoker) AS
SELECT e.experiment, e.name, e.hypothesis, e.owner, e.unit, e.method, e.alpha, e.starts, e.ends,
	   CASE WHEN e.starts > now() THEN 'planned' WHEN e.ends <= now() THEN 'ended' ELSE 'running' END AS status,
	   p.metric AS primary_metric, v.variant, c.variant AS control,
	   r.n, r.n_control, e.planned_n, r.estimate, r.estimate_control,
	   r.lift, r.lift_low, r.lift_high, r.p_value, r.p_adjusted, r.outcome,
	   h.status AS health, h.failed, h.srm_p_value, d.decision AS recommendation, d.reasons,
	   l.decision, l.variant AS decided_variant, l.reason AS decision_reason, l.decided_at, l.decided_by,
	   a.units, a.as_of, a.analyzed_at
FROM experiments AS e
JOIN variants AS c ON c.experiment = e.experiment AND c.is_control
JOIN variants AS v ON v.experiment = e.experiment AND NOT v.is_control
LEFT JOIN experiment_metrics AS p ON p.experiment = e.experiment AND p.role = 'primary'
LEFT JOIN analyses AS a ON a.experiment = e.experiment
LEFT JOIN experiment_results AS r ON r.experiment = e.experiment AND r.metric = p.metric AND r.variant = v.variant
LEFT JOIN LATERAL recommend(e.experiment) AS d ON d.variant = v.variant
LEFT JOIN LATERAL (
	SELECT CASE WHEN bool_or(h.status = 'fail') THEN 'fail' WHEN bool_or(h.status = 'warn') THEN 'warn'
				WHEN count(*) > 0 THEN 'ok' END AS status,
		   string_agg(h.check_name, ', ' ORDER BY h.place) FILTER (WHERE h.status = 'fail') AS failed,
		   max(h.value) FILTER (WHERE h.check_name = 'srm') AS srm_p_value
	FROM health AS h WHERE h.experiment = e.experiment) AS h ON true
LEFT JOIN LATERAL (
	SELECT l.* FROM decisions AS l WHERE l.experiment = e.experiment
	ORDER BY l.decided_at DESC LIMIT 1) AS l ON true;
COMMENT ON VIEW experiment_summary IS
'each treatment of each experiment: its primary metric, health, what is recommended and what was decided';
